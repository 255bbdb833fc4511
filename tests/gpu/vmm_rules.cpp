// SPDX-License-Identifier: Apache-2.0
// What VMM allows: remapping between kinds of memory, parts, joints, mixed access, and when.
#include <fmt/format.h>

#include "tests/gpu/probe.h"

namespace probe {
namespace {

constexpr const char* kRight = "every word was right";

std::string wrong_words(uint64_t count) {
  return count ? fmt::format("{} words were WRONG", count) : kRight;
}

}  // namespace

Verdict remap_alternate(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(64 * kMiB);
  struct Backing {
    Place place;
    Chunk chunk;
    uint64_t seed;  // what its bytes were filled with last; 0: never
  };
  std::vector<Backing> backings;
  std::string names;
  for (Place place : kPlaces) {
    if (!gpu.supports(place)) continue;
    backings.push_back({place, Chunk(gpu, place, bytes), 0});
    names += std::string(names.empty() ? "" : ", ") + name_of(place);
  }
  bool host_works = backings.size() > 1;
  if (!backings.empty()) backings.push_back({Place::Device, Chunk(gpu, Place::Device, bytes), 0});

  Range range(bytes);
  uint64_t wrong = 0;
  int rounds = gpu.repeats(20);
  for (int round = 0; round < rounds; ++round)
    for (Backing& backing : backings) {
      range.map(gpu, backing.chunk, bytes);
      if (backing.seed) wrong += gpu.mismatches(range.at(), bytes, backing.seed);
      backing.seed = static_cast<uint64_t>(round) * 8 + static_cast<uint64_t>(backing.place) + 1;
      gpu.fill(range.at(), bytes, backing.seed);
      wrong += gpu.mismatches(range.at(), bytes, backing.seed);
      range.unmap(bytes);
    }
  report.fact("wrong_words", wrong);
  report.fact("places", names);
  return {fmt::format("{} in turn at one address, {} rounds of {} MiB: {}", names, rounds,
                      bytes / kMiB, wrong_words(wrong)),
          wrong        ? "Remapping is not safe here: Spillway must not move anything."
          : host_works ? "In-place mode: an evicted range stays usable at its address."
                       : "Copy-only mode: no host memory can be mapped at the address."};
}

Verdict partial_map(Gpu& gpu, Report& report) {
  size_t half = 2 * kMiB;
  Chunk chunk(gpu, Place::Device, 2 * half);
  Range range(2 * half);
  auto attempt = [&](size_t bytes, size_t offset) {
    CUresult result = cu().cuMemMap.attempt(range.at(), bytes, offset, chunk, 0);
    if (result == CUDA_SUCCESS) cu().cuMemUnmap(range.at(), bytes);
    return result;
  };
  CUresult less = attempt(half, 0), offset = attempt(half, half);
  report.fact("size_less_than_handle", error_name(less));
  report.fact("offset_not_zero", error_name(offset));
  return {fmt::format("size < handle: {}; offset > 0: {}", error_name(less), error_name(offset)),
          less == CUDA_SUCCESS && offset == CUDA_SUCCESS
              ? "One large handle could back several pieces; the design does not rely on it."
              : "Handles are mapped whole, as the design assumes."};
}

Verdict joint_unmap(Gpu& gpu, Report& report) {
  size_t bytes = 2 * kMiB;
  Chunk first(gpu, Place::Device, 2 * bytes), second(gpu, Place::Device, bytes);
  Range range(3 * bytes);
  range.map(gpu, first, 2 * bytes);
  CUresult part = cu().cuMemUnmap.attempt(range.at(), bytes);
  report.fact("part_of_a_mapping", error_name(part));
  if (part == CUDA_SUCCESS) range.unmap(bytes, bytes);
  if (part != CUDA_SUCCESS) range.unmap(2 * bytes);
  range.map(gpu, first, 2 * bytes);
  range.map(gpu, second, bytes, 2 * bytes);
  CUresult both = cu().cuMemUnmap.attempt(range.at(), 3 * bytes);
  report.fact("two_adjacent_mappings", error_name(both));
  // Were both really unmapped? Then the place of the second is free again.
  bool free_again = false;
  if (both == CUDA_SUCCESS) {
    free_again = cu().cuMemMap.attempt(range.at(2 * bytes), bytes, 0, second, 0) == CUDA_SUCCESS;
    report.fact("second_place_free_again", free_again);
  }
  return {fmt::format("part of a mapping: {}; two adjacent mappings at once: {}", error_name(part),
                      error_name(both)),
          free_again ? "A piece of several handles could be unmapped with one call."
                     : "One unmap per handle, as the design assumes: few handles per piece."};
}

Verdict mixed_access(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(8 * kMiB);
  Place host = gpu.supports(Place::HostNuma) ? Place::HostNuma : Place::Host;
  if (!gpu.supports(host)) throw CudaError("cuMemCreate(HOST)", CUDA_ERROR_NOT_SUPPORTED);
  Chunk device_chunk(gpu, Place::Device, bytes), host_chunk(gpu, host, bytes);
  Range range(2 * bytes);
  cu().cuMemMap(range.at(), bytes, 0, device_chunk, 0);
  cu().cuMemMap(range.at(bytes), bytes, 0, host_chunk, 0);
  CUmemAccessDesc access = gpu.access();
  CUresult result = cu().cuMemSetAccess.attempt(range.at(), 2 * bytes, &access, 1);
  report.fact("set_access_over_device_and_host", error_name(result));
  uint64_t wrong = 0;
  if (result == CUDA_SUCCESS) {
    gpu.fill(range.at(), 2 * bytes, 7);
    wrong = gpu.mismatches(range.at(), 2 * bytes, 7);
    report.fact("wrong_words", wrong);
  }
  cu().cuMemUnmap(range.at(), bytes);
  cu().cuMemUnmap(range.at(bytes), bytes);
  return {
      fmt::format("{}{}", error_name(result),
                  result == CUDA_SUCCESS ? "; one kernel over both: " + wrong_words(wrong) : ""),
      result == CUDA_SUCCESS && !wrong
          ? "Set-access calls may be joined over neighbours; pieces of one range may be mixed."
          : "Set access per mapping."};
}

Verdict unmap_after_query(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(16 * kMiB);
  Chunk chunks[2] = {Chunk(gpu, Place::Device, bytes), Chunk(gpu, Place::Device, bytes)};
  Range range(bytes);
  Stream stream;
  Event done(CU_EVENT_DISABLE_TIMING);
  HostMemory words(4096);
  volatile uint64_t* counter = words.as<volatile uint64_t>();
  CUdeviceptr mismatches = words.device() + 64;
  bool can_write = true;
  int rounds = gpu.repeats(200);
  for (int i = 0; i < rounds; ++i) {
    range.map(gpu, chunks[i % 2], bytes);
    gpu.fill(range.at(), bytes, i, stream);
    gpu.start_check(range.at(), bytes, i, mismatches, stream);
    uint64_t target = static_cast<uint64_t>(i) + 1;
    // Every other round the host learns of the end by a word that the GPU writes.
    bool by_word =
        i % 2 && can_write &&
        cu().cuStreamWriteValue64.attempt(stream, words.device(), target, 0) == CUDA_SUCCESS;
    if (i % 2) can_write = by_word;
    cu().cuEventRecord(done, stream);
    for (;;) {
      if (by_word && *counter >= target) break;
      CUresult state = cu().cuEventQuery.attempt(done);
      if (state == CUDA_SUCCESS && !by_word) break;
      if (state != CUDA_SUCCESS && state != CUDA_ERROR_NOT_READY)
        throw CudaError("cuEventQuery", state);
    }
    range.unmap(bytes);  // no synchronisation before it
  }
  cu().cuStreamSynchronize(stream);
  uint64_t wrong = words.as<uint64_t>()[8];
  report.fact("written_counter", can_write);
  report.fact("wrong_words", wrong);
  return {fmt::format("{} unmaps right after an event query{} said done: no fault, {}", rounds,
                      can_write ? " or a written counter" : "", wrong_words(wrong)),
          wrong ? "Completion by markers is not enough here: synchronise before unmapping."
                : "Completion markers are a sound condition for unmapping."};
}

Verdict queries(Gpu& gpu, Report& report) {
  struct Row {
    const char* name;
    CUpointer_attribute attribute;
  };
  constexpr Row kRows[] = {
      {"MEMORY_TYPE", CU_POINTER_ATTRIBUTE_MEMORY_TYPE},
      {"DEVICE_ORDINAL", CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL},
      {"DEVICE_POINTER", CU_POINTER_ATTRIBUTE_DEVICE_POINTER},
      {"HOST_POINTER", CU_POINTER_ATTRIBUTE_HOST_POINTER},
      {"IS_MANAGED", CU_POINTER_ATTRIBUTE_IS_MANAGED},
      {"MAPPED", CU_POINTER_ATTRIBUTE_MAPPED},
      {"RANGE_START_ADDR", CU_POINTER_ATTRIBUTE_RANGE_START_ADDR},
      {"RANGE_SIZE", CU_POINTER_ATTRIBUTE_RANGE_SIZE},
      {"MAPPING_BASE_ADDR", CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR},
      {"MAPPING_SIZE", CU_POINTER_ATTRIBUTE_MAPPING_SIZE},
      {"IS_LEGACY_CUDA_IPC_CAPABLE", CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE},
      {"ALLOWED_HANDLE_TYPES", CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES},
      {"ACCESS_FLAGS", CU_POINTER_ATTRIBUTE_ACCESS_FLAGS},
  };
  size_t bytes = 2 * kMiB;
  auto ask = [&](const char* what, CUdeviceptr base, CUdeviceptr address) {
    json answers;
    uint64_t type = 0;
    for (const Row& row : kRows) {
      uint64_t value = 0;  // wide enough for each of them
      CUresult result = cu().cuPointerGetAttribute.attempt(&value, row.attribute, address);
      bool is_address = result == CUDA_SUCCESS && value >= base && value - base < 4 * bytes;
      if (result != CUDA_SUCCESS) answers[row.name] = error_name(result);
      // Addresses differ from run to run: said relative to the start of the range.
      else if (is_address)
        answers[row.name] = fmt::format("base+{}", value - base);
      else
        answers[row.name] = value;
      if (row.attribute == CU_POINTER_ATTRIBUTE_MEMORY_TYPE) type = value;
    }
    // The plural form, which libraries prefer: never fails for an unknown address, says type 0.
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_CONTEXT};
    unsigned plural_type = 0;
    CUcontext context = nullptr;
    void* values[] = {&plural_type, &context};
    CUresult plural = cu().cuPointerGetAttributes.attempt(2, names, values, address);
    answers["cuPointerGetAttributes"] = fmt::format("{}, type {}, context {}", error_name(plural),
                                                    plural_type, context ? "given" : "null");
    CUdeviceptr start = 0;
    size_t size = 0;
    CUresult result = cu().cuMemGetAddressRange.attempt(&start, &size, address);
    answers["cuMemGetAddressRange"] =
        result == CUDA_SUCCESS
            ? fmt::format("base{:+} size {}", static_cast<int64_t>(start - base), size)
            : error_name(result);
    report.fact(what, answers);
    return std::pair{type, size};
  };
  Memory plain(4 * bytes);
  ask("cuMemAlloc", plain, plain + 3 * bytes);
  Chunk first(gpu, Place::Device, bytes), second(gpu, Place::Device, bytes);
  Range range(4 * bytes);
  range.map(gpu, first, bytes);
  range.map(gpu, second, bytes, bytes);
  auto [device_type, device_size] = ask("two_handles_in_a_row", range.at(), range.at(bytes + 64));
  ask("reserved_but_unmapped", range.at(), range.at(3 * bytes));
  std::string text =
      fmt::format("two device handles in a row: memory type {}, address range {} bytes",
                  device_type, device_size);
  for (Place place : {Place::HostNuma, Place::Host}) {
    if (!gpu.supports(place)) continue;
    Chunk host(gpu, place, bytes);
    range.map(gpu, host, bytes, 2 * bytes);
    auto [type, size] = ask(name_of(place), range.at(), range.at(2 * bytes + 64));
    range.unmap(bytes, 2 * bytes);
    text += fmt::format("; {}: memory type {}, address range {} bytes", name_of(place), type, size);
  }
  return {text + fmt::format(" (types: host {}, device {})", +CU_MEMORYTYPE_HOST,
                             +CU_MEMORYTYPE_DEVICE),
          "Served ranges must answer these queries themselves wherever a line differs from "
          "cuMemAlloc's."};
}

Verdict first_touch(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kGiB);
  HostMemory sink(4096);
  Stream stream;
  Stopwatch watch;
  auto read_ms = [&](CUdeviceptr address) {
    watch.start(stream);
    gpu.kernels().read_all.launch(gpu.blocks(), 256, stream, address, uint64_t{bytes / 16},
                                  sink.device());
    watch.stop(stream);
    return watch.ms();
  };
  double penalty = 0, steady_ms = 0;
  for (size_t piece : {bytes, gpu.bytes(64 * kMiB), 2 * kMiB}) {
    std::vector<Chunk> chunks;
    for (size_t at = 0; at < bytes; at += piece) chunks.emplace_back(gpu, Place::Device, piece);
    Range range(bytes);
    std::vector<double> first, second;
    for (int i = 0; i < gpu.repeats(8); ++i) {
      // Rotated, so that every address gets another physical chunk than before (when there are
      // two).
      for (size_t k = 0; k < chunks.size(); ++k)
        range.map(gpu, chunks[(k + static_cast<size_t>(i)) % chunks.size()], piece, k * piece);
      first.push_back(read_ms(range.at()));
      second.push_back(read_ms(range.at()));
      for (size_t k = 0; k < chunks.size(); ++k) range.unmap(piece, k * piece);
    }
    json where{{"bytes", bytes}, {"handle", piece}};
    double one = report.sample("first_read", "ms", first, where).median;
    double two = report.sample("second_read", "ms", second, where).median;
    if (piece == gpu.bytes(64 * kMiB)) {
      penalty = one - two;
      steady_ms = two;
    }
  }
  return {fmt::format(
              "reading {} MiB in 64 MiB handles takes {:.3f} ms, and {:.3f} ms more right after "
              "a remap",
              bytes / kMiB, steady_ms, penalty),
          penalty < 0.1 * steady_ms ? "Cold translations cost little: no warm-up after a move."
                                    : "Cold translations show: count them in the cost of a move."};
}

}  // namespace probe
