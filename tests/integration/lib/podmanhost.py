"""A machine with podman for the page about containers: a user without privilege runs the page's blocks. A test cannot fetch the images that its
commands name. `penstock` is made as packaging/container/Containerfile says, but on a copy of this machine's files instead of an image of Debian:
the package is installed in it. `your/mail-server` is Debian's Postfix, which listens on loopback and expects the PROXY header."""

from lib import container

PACKAGES = {"podman", "crun", "uidmap", "slirp4netns", "fuse-overlayfs", "ca-certificates", "postfix"}
# Postfix is for the image; the machine itself runs none.
ANSWERS = "systemctl disable postfix && postconf -e myhostname=mx1.example.org mydestination=mx1.example.org,localhost inet_protocols=ipv4 mynetworks=192.0.2.7" \
    " && useradd --create-home --shell /bin/bash mailops"
# podman makes namespaces and mounts, and slirp4netns a network device; its images cannot be kept on an overlay.
NSPAWN = ["--capability=all", "--system-call-filter=add_key keyctl bpf perf_event_open"]
STATE = "/home/mailops/.local/share/containers"
USER = "mailops"
SETUP = r"""
# The network device is the user's: a node of this machine, and not the one of the host.
mkdir -p /dev/net && rm -f /dev/net/tun && mknod -m 666 /dev/net/tun c 10 200
# A user namespace may mount /proc only where all of one is visible.
mkdir -p /run/whole-proc && mount -t proc proc /run/whole-proc
install -d -o mailops -g mailops -m 700 /run/user/$(id -u mailops)
chown -R mailops: /home/mailops
# The machine runs: that a file or directory changes meanwhile (tar ends with 1 then) is no fault.
tar -C / --one-file-system NO_IMAGE_NEEDS --exclude=./home --exclude='./usr/bin/*podman*' --exclude=./usr/lib/podman --exclude=./usr/lib/cni \
	--exclude=./var/tmp/base.tar -cf /var/tmp/base.tar . || [ $? = 1 ]
cp /root/penstock/build/deb/penstock_*.deb /var/tmp/
cat >/var/tmp/make <<'END'
export XDG_RUNTIME_DIR=/run/user/$(id -u)
cd
mkdir -p .config/containers
printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' >.config/containers/containers.conf
podman import /var/tmp/base.tar base
podman run --rm base true || exit 77
derive() { # NAME COMMAND...: a script for its making on stdin
	name=$1; shift
	podman run --name making -v /var/tmp:/from:ro -i base sh -e
	podman commit -q -c "CMD $*" making "$name"
	podman rm making
}
derive penstock '["/usr/sbin/penstockd"]' <<MAKE
dpkg -i /from/penstock_*.deb
# The Containerfile's image has no systemd-tmpfiles: its volumes belong to root.
rm -rf /run/penstock /var/lib/penstock
mkdir /run/penstock /var/lib/penstock
MAKE
derive your/mail-server '["sh", "-e", "/start"]' <<MAKE
postconf -F '*/*/chroot=n'
postconf -e maillog_file=/dev/stdout smtpd_upstream_proxy_protocol=haproxy
postconf -M# smtp/inet
postconf -M 127.0.0.1:2525/inet='127.0.0.1:2525 inet n - n - - smtpd'
echo 'exec postfix start-fg' >/start
MAKE
END
runuser -u mailops -- bash -ex /var/tmp/make
""".replace("NO_IMAGE_NEEDS", container.NO_IMAGE_NEEDS)
