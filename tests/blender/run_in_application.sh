#!/usr/bin/env bash
# The add-on in the application itself, without and with a window. Takes `blender` on the PATH; else Debian's, put into
# build/application (about 1.1 GB, two minutes) and run there in a chroot. Where neither goes it says why in one line and
# ends well, for a mirror that is away is nobody's mistake.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD root=$PWD/build/application log=$PWD/build/application.log
mkdir -p build
# Preferences and caches of this run alone.
BLENDER_USER_RESOURCES=$(mktemp --directory)
export BLENDER_USER_RESOURCES
trap 'rm -rf "$BLENDER_USER_RESOURCES"' EXIT

# No run takes longer, whatever happens.
limited() { timeout --kill-after=20 1500 "$@"; }

without_window=(blender --background --factory-startup --python-exit-code 3 --python tests/blender/run_in_blender.py
  -- -rs tests/blender --ignore tests/blender/window)
with_window=(python3 tests/blender/run_in_window.py build/window)

not_here() {
  echo "The application is not tested here: there is no blender on the PATH, and $1."
  exit 0
}

# Debian's unstable branch alone has a Blender that the add-on is for. The mirror is the one that this machine uses.
make_root() {
  command -v mmdebstrap || apt-get install --yes --no-install-recommends mmdebstrap arch-test
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$')
  rm -rf "$root" "$root.part"
  # An index that was not renewed in time is taken too; documentation and languages are left out; no test needs them.
  limited mmdebstrap --mode=root --variant=apt --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt=force-unsafe-io \
    --include=blender,python3-cattr,python3-numpy,python3-requests,python3-zstandard \
    --include=python3-av,python3-pil,python3-pytest,python3-pytest-timeout \
    --include=xvfb,xauth,xdotool,imagemagick,libgl1-mesa-dri,libegl1,libglx-mesa0,libegl-mesa0,ca-certificates \
    sid "$root.part" "$mirror"
  mv "$root.part" "$root"
}

# Runs a command in the chroot. Its mounts are seen by nobody else and end with it.
inside() {
  limited unshare --mount bash -euc '
    root=$1 home=$2; shift 2
    mkdir -p "$root$home"
    mount --bind "$home" "$root$home"
    mount --bind /tmp "$root/tmp"
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
    exec chroot "$root" env --chdir="$home" "$@"
  ' inside "$root" "$home" "$@"
}

if command -v blender >/dev/null; then
  limited "${without_window[@]}"
  limited "${with_window[@]}"
  exit
fi
[ "$(id -u)" = 0 ] || not_here "only root can put one into a chroot"
unshare --mount true 2>/dev/null || not_here "this machine does not let root mount"
[ -x "$root/usr/bin/blender" ] || make_root >"$log" 2>&1 || not_here "Debian's cannot be had ($log says why)"
version=$(inside blender --version | sed -n 1p) || not_here "Debian's does not start in the chroot"
case $version in
  "Blender "4.5* | "Blender "5.[0-2]*) echo "$version, from Debian" ;;
  *) not_here "Debian's is $version, for which the add-on was not made" ;;
esac

# The tests inside start the server by this, and it runs in our own Python outside: /tmp and this folder are the same.
server=$root/usr/local/bin/python-of-the-server
printf '#!/bin/sh\nexec nsenter --target %s --mount --root env --chdir="$PWD" %s "$@"\n' $$ "$home/.venv/bin/python" >"$server"
chmod +x "$server"
in_there=(LIBGL_ALWAYS_SOFTWARE=1 OMP_NUM_THREADS=1 FLEXIMO_SERVER_PYTHON="${server#"$root"}")
inside "${in_there[@]}" "${without_window[@]}"
# On a virtual display a click is lost now and then; a second failure is no accident.
inside "${in_there[@]}" "${with_window[@]}" || {
  echo "The tests in the window failed; once more:"
  inside "${in_there[@]}" "${with_window[@]}"
}
