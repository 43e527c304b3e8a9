#!/bin/sh
# Starts the local server (nothing happens if it runs already) and brings examples/hello up.
#   examples/up.sh PATH-OF-WAYPOINT
set -eu
waypoint=$1
cd "$(dirname "$0")/hello"
"$waypoint" install --platform=local
"$waypoint" up --cost
command -v waypoint >/dev/null || echo "To type \`waypoint\` anywhere: make install, or export PATH=\"$(dirname "$waypoint"):\$PATH\"" >&2
