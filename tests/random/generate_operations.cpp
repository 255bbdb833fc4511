// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {
Set Generator::make_set(const Access& target, bool node) {
  Set set;
  set.target = target;
  set.value = static_cast<uint32_t>(random_.next());
  set.element = 1u << random_.below(3);
  set.target.offset = set.target.offset / set.element * set.element;
  set.target.bytes = set.target.bytes / set.element * set.element;
  if (set.target.bytes == 0) {
    set.target = target;
    set.element = 1;
  }
  set.width = set.target.bytes / set.element;
  set.async = node || random_.percent(60);
  if (set.target.bytes > 4096 && random_.percent(40)) {
    set.pitch = random_.between(16, set.target.bytes / 64) * 4;
    set.width = random_.between(1, set.pitch / set.element);
    set.height = set.target.bytes / set.pitch;
    set.target.bytes = set.pitch * (set.height - 1) + set.width * set.element;
  }
  return set;
}

void Generator::set() {
  const int stream = pick_stream();
  if (random_.percent(15)) {
    if (const auto pitched = pick_own_buffer(true)) {
      const Buffer& buffer = plan_.buffers[*pitched];
      const Access all{Space::Device, *pitched, 0, buffer.bytes, true};
      const size_t rows = random_.between(1, buffer.height);
      Set set{
          all, 1,   static_cast<uint32_t>(random_.next()), random_.between(1, buffer.width), rows,
          0,   true};
      return submit(stream, set, {all});
    }
  }
  const auto buffer = pick_own_buffer(false);
  if (!buffer) return;
  Set set = make_set(part_of(*buffer, 1, true), false);
  set.async |= !implicit(stream);
  submit(stream, set, {set.target});
}

// Between two device buffers, in one run.
std::optional<Copy> Generator::make_device_copy() {
  const auto to = pick_own_buffer(false);
  std::vector<int> sources = readable_buffers();
  std::erase_if(sources, [&](int one) { return plan_.buffers[one].source == Source::Pitch; });
  if (!to || sources.empty()) return std::nullopt;
  Copy copy;
  copy.from = part_of(random_.one_of(sources), 1, false);
  copy.to = part_of(*to, 1, true);
  copy.to.bytes = copy.from.bytes = std::min(copy.to.bytes, copy.from.bytes);
  if (overlap(copy.to, copy.from)) return std::nullopt;
  copy.width = copy.to.bytes;
  constexpr CopyForm kForms[] = {CopyForm::Plain, CopyForm::Generic, CopyForm::Peer};
  copy.form = kForms[random_.below(3)];
  copy.async = true;
  return copy;
}

// Submits with the ordering that this form of copy really gives.
void Generator::submit_copy(int stream, Copy copy) {
  if (!implicit(stream)) copy.async = true;
  if (copy.async && copy.form == CopyForm::RowsUnaligned) copy.form = CopyForm::Rows;
  const bool from_host = copy.from.space == Space::Host;
  const bool to_host = copy.to.space == Space::Host;
  const bool pageable = (from_host && plan_.hosts[copy.from.index].kind == HostKind::Pageable) ||
                        (to_host && plan_.hosts[copy.to.index].kind == HostKind::Pageable);
  // The call itself reads such memory, whatever the stream still has to do.
  if (from_host && pageable) order_on_host({copy.from});
  order_before(stream, {copy.to, copy.from});
  account({copy.to, copy.from});
  emit(stream, copy);
  if (from_host && !copy.async) {
    // The source may be written again at once; the device need not have the bytes yet.
    order_->submit(thread_, stream, {copy.to});
    return;
  }
  order_->submit(thread_, stream, {copy.to, copy.from});
  // A batch returns at once whatever it copies to.
  const bool returns_late = !copy.async || (pageable && !is_batch(copy.form));
  if (to_host && returns_late) order_->host_waits_stream(thread_, stream);
}

void Generator::copy() {
  if (plan_.contexts.size() > 1 && random_.percent(35)) return copy_between_contexts();
  const int stream = pick_stream();
  const size_t kind = random_.below(100);
  if (kind < 15) {
    if (const auto pitched = pick_own_buffer(true)) return copy_rows(*pitched);
  }
  std::optional<Copy> copy = make_device_copy();
  if (!copy) return;
  const auto host = kind < 65 ? pick_host() : std::nullopt;
  if (host) {
    const bool to_device = random_.percent(50);
    Access& side = to_device ? copy->from : copy->to;
    const Access& other = to_device ? copy->to : copy->from;
    const size_t bytes = std::min(other.bytes, plan_.hosts[*host].bytes);
    const size_t room = plan_.hosts[*host].bytes - bytes;
    side = {Space::Host, *host, random_.below(room + 1), bytes, !to_device};
    copy->to.bytes = copy->from.bytes = copy->width = bytes;
    if (copy->form == CopyForm::Peer) copy->form = CopyForm::Plain;
  }
  copy->async = random_.percent(60);
  // The null stream has no batches.
  if (plan_.streams[stream].kind != StreamKind::Legacy && copy->width >= 64 &&
      random_.percent(20)) {
    const bool boxes = (copy->width + copy->to.offset + copy->from.offset) % 2 == 1;
    copy->form = boxes ? CopyForm::BatchOfBoxes : CopyForm::Batch;
    copy->async = true;
    return submit_copy(stream, *copy);
  }
  if (copy->width > 64 * 1024 && random_.percent(30)) {
    shape_box(&*copy, random_.percent(50)   ? CopyForm::Volume
                      : random_.percent(50) ? CopyForm::Rows
                                            : CopyForm::RowsUnaligned);
    copy->unified = !host && random_.percent(30);
  }
  submit_copy(stream, *copy);
}

// The same extent as rows, or as a box of them, with different distances on each side.
void Generator::shape_box(Copy* copy, CopyForm form) {
  const bool volume = form == CopyForm::Volume || form == CopyForm::VolumePeer;
  const size_t extent = copy->width;
  copy->form = form;
  copy->depth = volume ? random_.between(2, 5) : 1;
  const size_t row = random_.between(64, extent / 64);
  copy->to_pitch = row + random_.below(64);
  copy->from_pitch = row + random_.below(64);
  copy->width = random_.between(row / 2, row);
  const size_t widest = std::max(copy->to_pitch, copy->from_pitch);
  const size_t rows = extent / widest / copy->depth;
  copy->height = rows > 2 ? random_.between(1, rows - 1) : 1;
  copy->to_rows = copy->from_rows = copy->height;
  if (volume && rows > 2) copy->to_rows += random_.below(rows - copy->height);
  const auto used = [&](size_t pitch, size_t rows_between) {
    return pitch * (rows_between * (copy->depth - 1) + copy->height - 1) + copy->width;
  };
  copy->to.bytes = used(copy->to_pitch, copy->to_rows);
  copy->from.bytes = used(copy->from_pitch, copy->from_rows);
}

// Between a pitched buffer and host memory or another pitched buffer.
void Generator::copy_rows(int pitched) {
  const Buffer& buffer = plan_.buffers[pitched];
  const auto host = pick_host();
  if (!host) return;
  Copy copy;
  copy.form = CopyForm::Rows;
  copy.async = random_.percent(60);
  copy.width = random_.between(1, buffer.width);
  const size_t pitch = copy.width + random_.below(32);
  copy.height = std::min(buffer.height, plan_.hosts[*host].bytes / pitch);
  const bool to_device = random_.percent(50);
  const Access device{Space::Device, pitched, 0, buffer.bytes, to_device};
  const Access memory{Space::Host, *host, 0, pitch * (copy.height - 1) + copy.width, !to_device};
  copy.to = to_device ? device : memory;
  copy.from = to_device ? memory : device;
  copy.to_pitch = to_device ? 0 : pitch;
  copy.from_pitch = to_device ? pitch : 0;
  submit_copy(pick_stream(), copy);
}

// --- the rest ---

void Generator::host_work() {
  const auto host = pick_host();
  if (!host) return;
  const size_t bytes = random_.between(1, plan_.hosts[*host].bytes);
  const size_t offset = random_.below(plan_.hosts[*host].bytes - bytes + 1);
  Access target{Space::Host, *host, offset, bytes, true};
  const size_t kind = random_.below(3);
  if (kind == 0) {
    submit(pick_stream(), HostFunction{target, random_.next()}, {target});
    return;
  }
  target.write = kind == 1;
  order_on_host({target});
  if (target.write) {
    emit(0, HostFill{target, random_.next()});
  } else {
    emit(0, HostCheck{target});
  }
  order_->host_does({target});
}

void Generator::write_value() {
  const auto buffer = pick_own_buffer(false);
  if (!buffer || plan_.buffers[*buffer].bytes < 16) return;
  const size_t bytes = random_.percent(50) ? 4 : 8;
  const size_t slots = plan_.buffers[*buffer].bytes / bytes;
  const Access target{Space::Device, *buffer, random_.below(slots) * bytes, bytes, true};
  const bool waits = waits_ && random_.percent(50);
  // What a stream waits for is still from then on.
  if (waits) hidden_.insert(*buffer);
  WriteValue write{target, random_.next(), waits, false};
  write.batch = write.value % 2 == 1;
  submit(pick_stream(), write, {target});
}

void Generator::ask() {
  const std::vector<int> readable = readable_buffers();
  if (readable.empty()) return;
  const int buffer = random_.one_of(readable);
  constexpr Question kQuestions[] = {Question::Attributes, Question::AddressRange,
                                     Question::MemoryInfo, Question::Pools};
  emit(here_,
       Ask{kQuestions[random_.below(4)], buffer, random_.below(plan_.buffers[buffer].bytes)});
}

// Waits that no hazard asks for.
void Generator::wait() {
  const int stream = pick_stream();
  const int event = event_covering(stream);
  const int other = pick_stream();
  switch (random_.below(3)) {
    case 0:
      emit(other, WaitEvent{event});
      order_->wait_event(thread_, event, other);
      break;
    case 1:
      emit(stream, HostWait{Wait::Stream, 0});
      order_->host_waits_stream(thread_, stream);
      break;
    case 2:
      emit(stream, HostWait{Wait::Event, event});
      order_->host_waits_event(thread_, event);
      break;
  }
}

}  // namespace random_program
