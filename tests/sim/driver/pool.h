// SPDX-License-Identifier: Apache-2.0
// Memory pools and stream-ordered allocation.
//
// A pool owns chunks, whole backed address ranges, and hands out blocks of them. A freed block
// remembers the stream it was freed in and whether that free has happened there yet; only a request
// that is ordered after the free gets it. The bytes of a block are overwritten with garbage when
// its free happens in the stream, and its ends again when its allocation happens, so both a use
// after the free and a use that is not ordered after the allocation show.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "tests/sim/driver/stream.h"
#include "tests/sim/driver/window.h"

namespace sim {

// End of the pool chunk that holds the address; 0: none does that this device may access. Takes
// only its own lock.
CUdeviceptr pool_memory_end(int device, CUdeviceptr address);

// A host wait on the device has ended: every pool gives back what exceeds its release threshold.
void pools_synchronised(int device);

class Pool {
 public:
  Pool(int device, const CUmemPoolProps& properties, bool standard);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int device() const { return device_; }
  bool standard() const { return standard_; }  // a device's default pool
  CUmemoryPool handle() { return reinterpret_cast<CUmemoryPool>(this); }

  // The block is entered in the registry at once; its memory is the program's from here on in the
  // order of the stream.
  CUresult allocate(CUdeviceptr* out, size_t bytes, Stream* stream);
  // stream null (cuMemFree): at once, and for everybody to reuse when the allocation has happened.
  CUresult release(CUdeviceptr address, Stream* stream);

  bool holds(CUdeviceptr address);
  bool idle();  // no block handed out
  void trim_to(uint64_t keep);
  void synchronised();
  CUresult get(CUmemPool_attribute attribute, void* out);
  CUresult set(CUmemPool_attribute attribute, const void* value);
  CUresult set_access(std::span<const CUmemAccessDesc> wanted);
  CUresult get_access(CUmemAccess_flags* out, const CUmemLocation& location);

 private:
  using Flag = std::shared_ptr<std::atomic<bool>>;
  struct Free {
    uint64_t bytes = 0;
    uint64_t stream = 0;  // id of the one it was freed in
    Flag happened;        // there; null: known to have
  };
  struct Live {
    uint64_t bytes = 0;
    Flag happened;  // the allocation, in its stream
  };
  struct Chunk {
    Backing backing;
    std::map<CUdeviceptr, Free> free;
  };
  struct Run {  // adjacent free blocks of one chunk
    Chunk* chunk = nullptr;
    CUdeviceptr begin = 0;
    uint64_t bytes = 0;
  };
  // Which free blocks a request may have: those whose free it is ordered after anyway, or any, with
  // new dependencies.
  enum class Reuse { Ordered, Any };

  bool may_reuse(const Free& block, uint64_t stream, Reuse reuse) const;
  bool choose(uint64_t bytes, uint64_t stream, Reuse reuse, Run* out);
  bool find_memory(uint64_t bytes, uint64_t stream, Run* out);
  // Cuts the front of the run out of the free blocks; the frees it must wait for.
  std::vector<Flag> take(const Run& run, uint64_t bytes, uint64_t stream);
  bool grow(uint64_t bytes);
  void settle(bool host_has_waited);
  void trim(uint64_t keep);

  const int device_;
  const CUmemPoolProps properties_;
  const bool standard_;
  std::mutex mutex_;
  std::map<CUdeviceptr, Chunk> chunks_;
  std::map<CUdeviceptr, Live> live_;
  Rights rights_;
  uint64_t reserved_ = 0, reserved_high_ = 0, used_ = 0, used_high_ = 0;
  uint64_t release_threshold_ = 0;
  int follow_events_ = 1, opportunistic_ = 1, internal_dependencies_ = 1;
};

std::shared_ptr<Pool> find_pool(CUmemoryPool handle);  // null: none of ours
std::shared_ptr<Pool> pool_of(CUdeviceptr address);    // that the block is of; null: none
std::shared_ptr<Pool> default_pool(int device);
std::shared_ptr<Pool> current_pool(int device);  // what cuMemAllocAsync takes from
void set_current_pool(int device, std::shared_ptr<Pool> pool);
CUresult create_pool(CUmemoryPool* out, const CUmemPoolProps& properties);
CUresult destroy_pool(CUmemoryPool handle);

}  // namespace sim
