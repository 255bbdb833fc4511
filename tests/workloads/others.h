// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "policy/workload.h"

namespace workloads {

spillway::policy::Workload resnet50(int iterations);
spillway::policy::Workload unet3d(int iterations);
spillway::policy::Workload lstm(int iterations);
spillway::policy::Workload scan(int iterations, bool writes);
spillway::policy::Workload random_access(int iterations);
spillway::policy::Workload two_phases(int iterations);

}  // namespace workloads
