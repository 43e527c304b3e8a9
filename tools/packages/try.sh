#!/bin/sh
# Tries the packages of a release in empty Debian roots without Go, git or a network, as root on a Debian machine:
#   try.sh FOLDER
# The deb is installed by dpkg, and a user there goes from nothing to an app's URL with three commands, reads the man page and
# completes a word; the rpm is installed by rpm, the apk unpacked. What was installed goes away again, and nothing is left. In
# the container image's files a runner fetches a git repository and brings its app up.
# A root is made once, by mmdebstrap, and kept below $XDG_CACHE_HOME.
set -eu
dist=${1:?"usage: try.sh FOLDER"}
tree=$(cd "$(dirname "$0")/../.." && pwd)
arch=$(dpkg --print-architecture)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/waypoint-packages
work=$(mktemp -d)
fail() { echo "try.sh: $*" >&2; exit 1; }
in_root() { chroot "$work/$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"; }
as_waypoint() { chroot --userspec=1000:1000 "$work/image" /usr/bin/env -i HOME=/home/waypoint PATH=/usr/bin:/bin TERM=dumb sh -c "cd /workspace && $1"; }
as_user() { in_root setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/ann sh -c "cd /home/ann/app && $1"; }
# app_web prints the stanza of an app that runs a program which is built already.
app_web() {
  cat <<'HCL'

app "web" {
  build {
    use "process" {
      path = "bin"
    }
  }
  deploy {
    use "process" {
      command = ["./hello"]
    }
  }
}
HCL
}
cleanup() {
  for r in deb rpm; do
    if [ -d "$work/$r/proc/1" ]; then
      root=$r
      as_user 'waypoint uninstall --platform=local --purge --yes' >/dev/null 2>&1 || true
      umount "$work/$r/proc" || true
    fi
  done
  if [ -d "$work/image/proc/1" ]; then
    as_waypoint 'waypoint uninstall --platform=local --purge --yes' >/dev/null 2>&1 || true
    umount "$work/image/proc" || true
  fi
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
for program in mmdebstrap rpm curl; do
  command -v $program >/dev/null || fail "$program is missing: apt-get install mmdebstrap rpm curl"
done
if ! [ -f "$cache/root.tar" ]; then
  mkdir -p "$cache"
  mmdebstrap --quiet --variant=minbase --include=man-db,bash-completion bookworm "$cache/root.tar.new"
  mv "$cache/root.tar.new" "$cache/root.tar"
fi
new_root() {
  root=$1
  mkdir "$work/$root"
  tar -xf "$cache/root.tar" -C "$work/$root"
  mount -t proc proc "$work/$root/proc"
  [ -e "$work/$root/dev/null" ] || mknod -m 666 "$work/$root/dev/null" c 1 3
  for missing in go git docker; do
    if in_root which $missing >/dev/null; then fail "the root has $missing, it is to have nothing"; fi
  done
  in_root find / -xdev -type f -o -type l -o -xdev -type d | sort >"$work/before.$root"
}
# left names what is there now and was not before; what dpkg, rpm and man-db note about any package is theirs.
left() {
  in_root find / -xdev -type f -o -type l -o -xdev -type d | sort | comm -13 "$work/before.$root" - |
    grep -v -e '^/var/lib/dpkg/' -e '^/var/log/' -e '^/var/cache/man' -e '^/home' -e '^/tmp' -e '^/var/lib/rpm' -e '^/usr/lib/sysimage' -e '^/root' || true
}

echo "== deb: $dist/waypoint_"*_"$arch.deb"
new_root deb
cp "$dist"/waypoint_*_"$arch".deb "$work/deb/tmp/waypoint.deb"
in_root dpkg -i /tmp/waypoint.deb
mkdir -p "$work/deb/home/ann/app/bin"
CGO_ENABLED=0 go build -C "$tree/examples/hello" -o "$work/hello" .
cp "$work/hello" "$work/deb/home/ann/app/bin/hello"
{ echo 'project = "hello"'; app_web; } >"$work/deb/home/ann/app/waypoint.hcl"
chown -R 1000:1000 "$work/deb/home/ann"
chmod 1777 "$work/deb/tmp"
echo '$ waypoint install --platform=local'
as_user 'waypoint install --platform=local --listen none'
echo '$ waypoint up'
as_user 'waypoint up'
url=$(as_user 'waypoint open -print')
echo "\$ curl $url"
curl -fsS --retry 5 --retry-connrefused "$url" | head -3
as_user 'MANPAGER=cat man waypoint' | head -5 | grep -q -i waypoint || fail "man waypoint shows nothing"
as_user 'man -w waypoint-up' >/dev/null || fail "there is no man page of waypoint up"
cat >"$work/deb/tmp/complete.sh" <<'SH'
. /usr/share/bash-completion/bash_completion
_completion_loader waypoint
COMP_WORDS=(waypoint work) COMP_CWORD=1 COMP_LINE="waypoint work" COMP_POINT=13 COMP_TYPE=9
f=$(complete -p waypoint | sed 's/.*-F \([^ ]*\) .*/\1/')
"$f" waypoint work waypoint
echo "${COMPREPLY[@]}"
SH
as_user 'bash /tmp/complete.sh' | grep -q workspace || fail "completion of \`waypoint work\` does not offer workspace"
as_user 'waypoint destroy -auto-approve && waypoint uninstall --platform=local --purge --yes'
in_root dpkg -r waypoint
[ -z "$(left)" ] || fail "dpkg -r left: $(left)"

echo "== rpm: $dist/waypoint_"*_"$arch.rpm"
new_root rpm
cp "$dist"/waypoint_*_"$arch".rpm "$work/waypoint.rpm"
rpm --root "$work/rpm" --initdb
rpm --root "$work/rpm" -i --nodeps --nosignature "$work/waypoint.rpm"
in_root waypoint version
in_root test -f /usr/share/man/man1/waypoint.1 || in_root test -f /usr/share/man/man1/waypoint.1.gz || fail "the rpm has no man page"
rpm --root "$work/rpm" -e waypoint
[ -z "$(left)" ] || fail "rpm -e left: $(left)"

echo "== apk: $dist/waypoint_"*_"$arch.apk"
mkdir "$work/apk"
tar -xzf "$dist"/waypoint_*_"$arch".apk -C "$work/apk" 2>/dev/null
(cd "$work/apk" && find . -type f | sort | head -8)
"$work/apk/usr/bin/waypoint" version

image=$dist/waypoint-image-linux-$arch.tar
echo "== image: $image"
mkdir "$work/layers" "$work/image"
tar -xf "$image" -C "$work/layers"
for layer in $(tr ',' '\n' <"$work/layers/manifest.json" | grep -o '[0-9a-f]*\.tar\.gz'); do
  tar -xzf "$work/layers/$layer" -C "$work/image"
done
# What a container engine adds.
mkdir -p "$work/image/proc" "$work/image/dev"
mount -t proc proc "$work/image/proc"
mknod -m 666 "$work/image/dev/null" c 1 3
mknod -m 666 "$work/image/dev/urandom" c 1 9
echo "127.0.0.1 localhost" >"$work/image/etc/hosts"
as_waypoint 'waypoint version && git --version && ssh -V && git lfs version'
[ -z "$(find "$work/image" -xdev -perm /6000)" ] || fail "the image has programs with the rights of their owner: $(find "$work/image" -xdev -perm /6000)"
mkdir -p "$work/image/workspace/bin"
cp "$work/hello" "$work/image/workspace/bin/hello"
{
  cat <<'HCL'
project = "fetched"

runner {
  enabled = true

  data_source "git" {
    url = "file:///workspace"
    ref = "main"
  }
}
HCL
  app_web
} >"$work/image/workspace/waypoint.hcl"
chown -R 1000:1000 "$work/image/workspace"
as_waypoint 'git init -q -b main && git add -A && git -c user.name=Ann -c user.email=ann@example.com commit -q -m app'
as_waypoint 'waypoint install --platform=local --listen none && waypoint init && waypoint up -local=false'
curl -fsS --retry 5 --retry-connrefused "$(as_waypoint 'waypoint open -print')" | head -3
as_waypoint 'waypoint destroy -auto-approve && waypoint uninstall --platform=local --purge --yes'
umount "$work/image/proc"
echo "The packages install, work and go away, and the image fetches and runs."
