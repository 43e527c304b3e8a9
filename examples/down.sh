#!/bin/sh
# Destroys what examples/up.sh made and stops the local server; its data is kept.
#   examples/down.sh PATH-OF-WAYPOINT
set -eu
waypoint=$1
cd "$(dirname "$0")/hello"
"$waypoint" destroy -auto-approve
"$waypoint" uninstall --platform=local
