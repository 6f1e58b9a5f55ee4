"""A machine with Docker for the page about containers. A test cannot fetch the images that its commands name, so each is made of Debian's
Postfix, under the same name and tag: it listens on port 25 as that project's image does, and takes its settings from the same file. All else
of docker-mailserver and mailcow (filters, IMAP, their databases) is not there; mailcow's compose file has its Postfix alone."""

from lib import container

PACKAGES = {"docker.io", "docker-compose", "iptables", "ca-certificates", "postfix"}
# Postfix is for the images; the machine itself runs none.
ANSWERS = "systemctl disable postfix docker.socket && postconf -e myhostname=mx1.example.org mydestination=mx1.example.org,localhost inet_interfaces=all mynetworks_style=host"
# dockerd makes namespaces, mounts and keys; its images cannot be kept on an overlay.
NSPAWN = ["--capability=all", "--system-call-filter=add_key keyctl bpf perf_event_open"]
STATE = "/var/lib/docker"
CANNOT = 77  # SETUP ends with it where dockerd does not start
# The machine's own files, without Docker, are the image that derive() changes and gives a command.
SETUP = r"""
systemctl start docker || { journalctl -u docker -n 20 --no-pager; exit 77; }
tar -C / --one-file-system NO_IMAGE_NEEDS --exclude=./var/lib/docker --exclude='./usr/*bin/*docker*' --exclude='./usr/bin/containerd*' \
	--exclude=./usr/bin/ctr --exclude=./usr/bin/dnet --exclude=./usr/sbin/ovrouter --exclude=./usr/sbin/runc -c . | docker import - base
derive() { # NAME: a script for its making on stdin, /start in it is its command
	docker run --name making -i base sh -e
	docker commit -c 'CMD ["sh", "-e", "/start"]' making "$1"
	docker rm making
}
common="postconf -F '*/*/chroot=n'; postconf -e maillog_file=/dev/stdout"
derive your/mail-server <<END
$common
postconf -e inet_protocols=ipv4
echo 'exec postfix start-fg' >/start
END
# Both have postscreen on port 25.
postscreen="$common; postconf -M# smtp/inet; postconf -M smtp/inet='smtp inet n - n - 1 postscreen' smtpd/pass='smtpd pass - - n - - smtpd'"
# https://docker-mailserver.github.io/docker-mailserver/latest/config/advanced/override-defaults/postfix/
derive ghcr.io/docker-mailserver/docker-mailserver:latest <<END
$postscreen
cat >/start <<'START'
[ ! -e /tmp/docker-mailserver/postfix-master.cf ] || while read -r line; do postconf -P "\$line"; done </tmp/docker-mailserver/postfix-master.cf
exec postfix start-fg
START
END
# https://docs.mailcow.email/manual-guides/Postfix/u_e-postfix-extra_cf/
derive ghcr.io/mailcow/postfix <<END
$postscreen
cat >/start <<'START'
cat /opt/postfix/conf/extra.cf >>/etc/postfix/main.cf
exec postfix start-fg
START
END
mkdir -p /opt/mailcow-dockerized/data/conf/postfix
cd /opt/mailcow-dockerized
printf 'MAILCOW_HOSTNAME=mx1.example.org\nSMTP_PORT=25\n' >mailcow.conf
ln -s mailcow.conf .env
cat >docker-compose.yml <<'END'
version: '2.1'
services:
  postfix-mailcow:
    image: ghcr.io/mailcow/postfix
    hostname: ${MAILCOW_HOSTNAME}
    volumes:
      - ./data/conf/postfix:/opt/postfix/conf
    ports:
      - "${SMTP_PORT:-25}:25"
END
""".replace("NO_IMAGE_NEEDS", container.NO_IMAGE_NEEDS)
