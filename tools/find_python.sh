#!/bin/sh
# Prints the path of a Python >= 3.11 that can make virtual environments, or says what to install.
set -u

usable='import sys; sys.exit(sys.version_info < (3, 11))'
complete='import ensurepip, venv'
incomplete=

for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
  path=$(command -v "$name" 2>/dev/null) || continue
  "$path" -c "$usable" 2>/dev/null || continue
  if "$path" -c "$complete" 2>/dev/null; then
    echo "$path"
    exit 0
  fi
  incomplete=$path
done

if [ -n "$incomplete" ]; then
  version=$("$incomplete" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "$incomplete cannot make virtual environments. On Debian and Ubuntu:" >&2
  echo "  sudo apt-get install python$version-venv" >&2
else
  echo "Python 3.11 or later is needed. On Debian and Ubuntu:" >&2
  echo "  sudo apt-get install python3 python3-venv" >&2
  echo "On macOS:" >&2
  echo "  brew install python@3.13" >&2
fi
exit 1
