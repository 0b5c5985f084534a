cat shared/greeting; echo "api has $(wc -l < manifest) files"
