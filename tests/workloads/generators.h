// SPDX-License-Identifier: Apache-2.0
// What the one table (workloads.cpp) makes workloads with. Nobody else needs it.
#pragma once

#include "policy/workload.h"

namespace workloads {

using spillway::policy::Workload;

// transformer.cpp
Workload gpt_1b3_8k(unsigned iterations);
Workload gpt_1b3_32k(unsigned iterations);
Workload gpt_6b7_16k(unsigned iterations);
Workload gpt_13b_32k(unsigned iterations);
Workload gpt_accumulating(unsigned iterations);
Workload gpt_checkpointing(unsigned iterations);
Workload gpt_evaluating(unsigned iterations);
Workload gpt_growing(unsigned iterations);
Workload gpt_long(unsigned iterations);
Workload bert_large(unsigned iterations);
Workload gpt_inference(unsigned iterations);
// convolutional.cpp
Workload resnet50(unsigned iterations);
Workload unet3d(unsigned iterations);
// recurrent.cpp
Workload lstm(unsigned iterations);
// synthetic.cpp
Workload scan_read(unsigned iterations);
Workload scan_write(unsigned iterations);
Workload random_access(unsigned iterations);

}  // namespace workloads
