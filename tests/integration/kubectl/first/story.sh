#!/usr/bin/env bash
# What `weir demo --keep` is left with in the test of kubectl.
. "$(dirname "$0")/../../lib.sh"
first_deployment
