#!/bin/sh
# Installs the Debian packages that the tests start real servers from. Does nothing when all are there.
set -eu
packages="dovecot-imapd postfix redis-server postgresql chromium"
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
run=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "The tests need these Debian packages:$missing. Install them, or run this as root." >&2; exit 1; }
  run=sudo
fi
# No service may start by itself: the tests start their own, on free loopback ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $run tee "$policy" >/dev/null
  $run chmod 755 "$policy"
  trap '$run rm -f "$policy"' EXIT
fi
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing
