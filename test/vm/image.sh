# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# The disk of a virtual machine: a minimal Debian with its corosync, as the package installs it, and our way to talk to it.
#
#	image_make DIR                makes DIR/disk, DIR/kernel and DIR/initrd, unless they are there
# cluster.sh is sourced before.
. "$(dirname "${BASH_SOURCE[0]}")/../debian.sh"

IMAGE_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
IMAGE_PACKAGES=systemd-sysv,udev,kmod,linux-image-cloud-amd64,initramfs-tools,iproute2,procps,corosync
IMAGE_SIZE=1500M # of which it fills a third; files are sparse

image_make()
{
	local dir=$1 root=$1/root
	[[ ! -e $dir/disk ]] || return 0
	rm -rf "$root"
	mkdir -p "$dir" &&
		debian_make "$root" "$IMAGE_PACKAGES" --quiet &&
		image_add_control "$root" &&
		image_add_network "$root" &&
		image_clean "$root" &&
		cp -L "$root/vmlinuz" "$dir/kernel" &&
		cp -L "$root/initrd.img" "$dir/initrd" &&
		mke2fs -q -t ext4 -d "$root" "$dir/disk.new" "$IMAGE_SIZE" &&
		rm -rf "$root" &&
		mv "$dir/disk.new" "$dir/disk"
}

# udev starts it with the port.
image_add_control()
{
	install -D -m 755 "$IMAGE_HERE/vm-control" "$1/usr/local/sbin/vm-control" &&
		install -D -m 644 "$IMAGE_HERE/vm-control.service" "$1/etc/systemd/system/vm-control.service" &&
		install -D -m 644 /dev/stdin "$1/etc/udev/rules.d/90-vm-control.rules" <<-'RULES'
			SUBSYSTEM=="virtio-ports", ATTR{name}=="control", SYMLINK+="virtio-ports/control", TAG+="systemd", ENV{SYSTEMD_WANTS}="vm-control.service"
		RULES
}

# Each machine's address by its network card's, which ends in its number.
image_add_network()
{
	local n
	for n in {1..9}; do
		printf '[Match]\nMACAddress=52:54:00:00:00:0%d\n[Network]\nAddress=%s/16\n' "$n" "$(node_ip "$n")" \
			>"$1/etc/systemd/network/machine$n.network" || return
	done
	chroot "$1" systemctl enable systemd-networkd
}

# Each machine gets a name and an identity when it starts. Housekeeping would take the time of machines that live for minutes.
image_clean()
{
	: >"$1/etc/machine-id" &&
		rm -f "$1/etc/hostname" "$1/etc/resolv.conf" &&
		chroot "$1" systemctl disable e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer apt-daily-upgrade.timer \
			dpkg-db-backup.timer
}
