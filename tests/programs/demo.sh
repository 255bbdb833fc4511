#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# demo.sh BUILD: what `make demo` runs.
exec python3 "$(dirname "$0")/demo.py" "$@"
