#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# fairlead tune watch on the lab's kernels.
# shellcheck source=selftests/cli/tune_watch.sh
. "$TOP/selftests/cli/tune_watch.sh"
