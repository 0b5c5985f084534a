"""The Linux kernel's interfaces: one door for system calls, and the words and bytes of each facility."""
