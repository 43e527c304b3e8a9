#!/bin/sh
# Installs a release on this machine: the command, waypoint-plugins, man pages and completion scripts.
#   install.sh FOLDER|URL [PREFIX]
# FOLDER or URL holds the archives of a release and SHA256SUMS (`make dist`). PREFIX: /usr/local if it may be written, else
# ~/.local. Nothing is changed before the archive's checksum is right.
set -eu
from=${1:?"usage: install.sh FOLDER|URL [PREFIX]"}
if [ -w /usr/local/bin ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
prefix=${2:-$prefix}
case $(uname -s) in
  Linux) os=linux ;; Darwin) os=darwin ;;
  *) echo "install.sh: there is no release for $(uname -s); on Windows unpack the .zip"; exit 1 ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=amd64 ;; aarch64 | arm64) arch=arm64 ;;
  *) echo "install.sh: there is no release for $(uname -m)"; exit 1 ;;
esac
archive=waypoint-$os-$arch.tar.gz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
get() {
  case $from in
    http://* | https://*) curl -fsSL --retry 3 -o "$work/$1" "$from/$1" ;;
    *) cp "$from/$1" "$work/$1" ;;
  esac
}
get SHA256SUMS
get "$archive"
sum=$(cd "$work" && { sha256sum "$archive" 2>/dev/null || shasum -a 256 "$archive"; } | cut -d' ' -f1)
grep -q "^$sum  $archive\$" "$work/SHA256SUMS" || { echo "install.sh: the checksum of $archive is not the one in SHA256SUMS; nothing was installed"; exit 1; }
tar -xzf "$work/$archive" -C "$work"
mkdir -p "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" "$prefix/share/zsh/site-functions" "$prefix/share/fish/vendor_completions.d"
for program in waypoint waypoint-plugins; do # renamed into place: a program that runs is not overwritten
  cp "$work/$program" "$prefix/bin/.$program.new"
  chmod 755 "$prefix/bin/.$program.new"
  mv "$prefix/bin/.$program.new" "$prefix/bin/$program"
done
cp "$work"/share/man1/*.1 "$prefix/share/man/man1/"
cp "$work/share/completions/waypoint.bash" "$prefix/share/bash-completion/completions/waypoint"
cp "$work/share/completions/_waypoint" "$prefix/share/zsh/site-functions/_waypoint"
cp "$work/share/completions/waypoint.fish" "$prefix/share/fish/vendor_completions.d/waypoint.fish"
echo "Installed $("$prefix/bin/waypoint" version) in $prefix/bin."
case :$PATH: in
  *:"$prefix/bin":*) echo "Next: \`waypoint install --platform=local\`, then \`waypoint up\` in a project's directory." ;;
  *) echo "Add it to the PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
