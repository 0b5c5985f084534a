# What a process in a container can see of its own privileges and surroundings, one fact a line, "section: fact".
# Runs in any busybox and changes nothing: whether a file can be written to is told by opening it, and nothing is written.
say() { while IFS= read -r line; do echo "$1: $line"; done; }

grep -E '^(Umask|Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Sig(Blk|Ign|Cgt))' /proc/self/status | say status
id | say id
set -- $(cat /proc/$$/stat)
echo "session: own group $(($5 == $1)) own session $(($6 == $1)) terminal $(($7 != 0)) nice ${19} policy ${41} orphan $(($4 == 0))"
cat /proc/1/comm | say comm
sed 1d /proc/self/limits | say limits
for f in oom_score_adj timerslack_ns coredump_filter setgroups uid_map gid_map; do
  cat /proc/self/$f 2>&1 | say "self $f"
done
tr '\0' '\n' < /proc/$$/environ | sort | say environment
echo "directory: $(pwd)"
echo "host name: $(hostname) $(cat /proc/sys/kernel/domainname)"
for fd in /proc/$$/fd/*; do echo "descriptor: ${fd##*/} $(readlink $fd)"; done
cat /proc/self/mountinfo | say mountinfo
find /dev ! -path '/dev/pts/*' ! -path '/dev/mqueue/*' ! -path '/dev/shm/*' -exec stat -c '%n %F %a %u:%g %t:%T %N' {} + | sort | say device
find / -xdev -maxdepth 1 -exec stat -c '%n %F %a %u:%g' {} + | sort | say root
stat -c '%n %F %a %u:%g %N' /.dockerenv /etc/hosts /etc/hostname /etc/resolv.conf /etc/mtab 2>/dev/null | say file
for key in net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range kernel/msgmax kernel/shmmax kernel/sem \
  fs/mqueue/msg_max net/ipv6/conf/eth0/disable_ipv6; do
  [ -e /proc/sys/$key ] && echo "sysctl: $key $(cat /proc/sys/$key)"
done
for path in /proc/acpi /proc/asound /proc/bus /proc/fs /proc/interrupts /proc/irq /proc/kcore /proc/keys /proc/kmsg \
  /proc/latency_stats /proc/sched_debug /proc/scsi /proc/sys /proc/sysrq-trigger /proc/timer_list /proc/timer_stats \
  /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /proc/sys/vm/panic_on_oom \
  /proc/self/attr/current /proc/1/oom_score_adj /sys /sys/kernel/uevent_helper /sys/fs/cgroup /sys/firmware \
  /sys/devices/virtual/powercap /sys/kernel/security /sys/kernel/debug /sys/fs/bpf /sys/module \
  /sys/class/net/lo/mtu /etc /tmp /dev /dev/shm; do
  [ -e $path ] || continue
  access=
  [ -r $path ] && access=r
  [ -d $path ] || { (: >> $path) 2>/dev/null && access=${access}w; }
  [ -d $path ] && access="$access $(ls $path 2>/dev/null | wc -l | sed 's/^[1-9].*/filled/')"
  echo "path: $path $(stat -c '%F %t:%T' $path) $access"
done
for space in cgroup ipc pid time user uts; do echo "namespace: $space $(readlink /proc/self/ns/$space)"; done
cat /proc/self/cgroup | say cgroup
for file in devices/devices.list pids/pids.max memory/memory.limit_in_bytes memory/memory.swappiness \
  memory/memory.memsw.limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_quota_us cpuset/cpuset.cpus; do
  [ -e /sys/fs/cgroup/$file ] && cat /sys/fs/cgroup/$file | say "limit $file"
done
find /sys/fs/cgroup -maxdepth 1 -exec stat -c '%n %F %a' {} + | sort | say hierarchy
ip -o link 2>/dev/null | sed 's/^[0-9]*: //; s/@if[0-9]*:/:/; s/ *[\\].*//' | say link
mknod /tmp/probe b 7 0 2>/dev/null && { echo "try: mknod yes"; head -c 0 /tmp/probe 2>/dev/null && echo "try: block device opened"; rm -f /tmp/probe; }
for kind in -m -u -i -n -p -U; do unshare $kind true 2>/dev/null && echo "try: unshare $kind yes"; done
mount -t tmpfs none /tmp 2>/dev/null && { echo "try: mount yes"; umount /tmp; }
chroot / true 2>/dev/null && echo "try: chroot yes"
ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1 && echo "try: ping yes"
dmesg >/dev/null 2>&1 && echo "try: dmesg yes"
true
