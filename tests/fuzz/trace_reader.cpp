// SPDX-License-Identifier: Apache-2.0
#include <variant>

#include "tests/fuzz/fuzz.h"
#include "tools/trace/trace.h"

namespace fuzz {
namespace {

using spillway::tools::FieldInfo;
using spillway::tools::Record;
using spillway::tools::TraceError;
using spillway::tools::TraceReader;
namespace trace = spillway::trace;

// Reads what is pointed to, so that a sanitizer sees whether it may be.
uint64_t sum(std::string_view text) {
  uint64_t all = 0;
  for (const char c : text) all += static_cast<unsigned char>(c);
  return all;
}
uint64_t sum(std::span<const uint64_t> list) {
  uint64_t all = 0;
  for (const uint64_t each : list) all += each;
  return all;
}
template <class Number>
uint64_t sum(Number number) {
  return static_cast<uint64_t>(number);
}

// As each of our events; exactly the one that the kind says.
template <class... Events>
uint64_t decode(const Record& record, const std::variant<Events...>*) {
  uint64_t all = 0;
  size_t fitting = 0;
  const auto try_one = [&]<class E>() {
    const auto event = TraceReader::as<E>(record);
    if (!event) return;
    fitting++;
    trace::each_field<E>([&](const auto& field) { all += sum((*event).*field.member); });
  };
  (try_one.template operator()<Events>(), ...);
  hold(fitting == (record.kind->known < sizeof...(Events)), "a record is one event or none");
  return all;
}

uint64_t read(const std::string& path) {
  TraceReader reader(path);
  uint64_t all = 0, text = 0;
  for (Record record; reader.next(&record);) {
    hold(record.kind != nullptr, "a record has a kind");
    all = all * 31 + decode(record, static_cast<const trace::Event*>(nullptr));
    // Lists can be long, and are text in the verbs already.
    for (size_t place = 0; record.list.size() < 1000 && place < record.kind->fields.size(); ++place)
      text += spillway::tools::value_text(record, place).size();
    all += record.time + record.slot;
  }
  hold(reader.bytes_read() <= reader.bytes(), "no more is read than there is");
  Record after;
  hold(!reader.next(&after), "the end stays the end");
  return all + text + reader.damaged_blocks() + reader.cut_short();
}

}  // namespace

void trace_reader(Input input) {
  const InMemory file(input);
  try {
    const uint64_t once = read(file.path());
    hold(read(file.path()) == once, "a file says the same twice");
  } catch (const TraceError&) {  // no trace, and said so
  }
}

}  // namespace fuzz
