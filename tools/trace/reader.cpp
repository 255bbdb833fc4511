// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/reader.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/trace/encode.h"
#include "runtime/trace/format.h"
#include "runtime/trace/schema.h"

namespace spillway::tools {
namespace {

using nlohmann::json;

FieldInfo::Type type_named(const std::string& name) {
  if (name == "bool") return FieldInfo::Type::Bool;
  if (name == "text") return FieldInfo::Type::Text;
  if (name == "list") return FieldInfo::Type::List;
  if (name == "word") return FieldInfo::Type::Word;
  if (name == "number") return FieldInfo::Type::Number;
  throw TraceError("its head has a field of type \"" + name +
                   "\", which this reader does not know");
}

// Fills in which of our events this is, and where its fields are.
template <class... Events>
void match(KindInfo& info, const std::variant<Events...>*) {
  info.known = kUnknownKind;
  size_t place = 0;
  const auto try_one = [&]<class E>() {
    const size_t mine = place++;
    if (info.name != E::kind) return;
    info.known = mine;
    trace::each_field<E>([&](const auto& field) {
      using Value = typename std::remove_cvref_t<decltype(field)>::value_type;
      int found = -1;
      for (size_t i = 0; i < info.fields.size(); ++i)
        if (info.fields[i].name == field.name &&
            info.fields[i].type == type_named(trace::type_of<Value>()))
          found = static_cast<int>(i);
      info.places.push_back(found);
    });
  };
  (try_one.template operator()<Events>(), ...);
}

KindInfo kind_from(const json& event) {
  KindInfo info;
  info.name = event.at("kind").get<std::string>();
  size_t texts = 0, lists = 0;
  for (const json& field : event.at("fields")) {
    FieldInfo& made = info.fields.emplace_back();
    made.name = field.at("name").get<std::string>();
    made.type = type_named(field.at("type").get<std::string>());
    made.unit = field.value("unit", "");
    if (field.contains("words")) made.words = field.at("words").get<std::vector<std::string>>();
    texts += made.type == FieldInfo::Type::Text;
    lists += made.type == FieldInfo::Type::List;
  }
  if (info.fields.size() > Record::kMostFields || texts > 1 || lists > 1)
    throw TraceError("its head has an event with more fields than this reader knows");
  for (const FieldInfo& field : info.fields) info.types.push_back(field.type);
  match(info, static_cast<const trace::Event*>(nullptr));
  return info;
}

}  // namespace

TraceReader::TraceReader(const std::filesystem::path& path)
    : file_(path, std::ios::binary), unpacker_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
  try {
    if (!file_) throw TraceError(std::strerror(errno));
    if (std::filesystem::is_directory(path)) throw TraceError("is a directory");
    file_.seekg(0, std::ios::end);
    size_ = static_cast<uint64_t>(file_.tellg());
    file_.seekg(0);
    read_head();
  } catch (const std::exception& error) {
    throw TraceError(path.string() + ": " + error.what());
  }
}

TraceReader::~TraceReader() = default;

void TraceReader::read_head() {
  trace::FileHead head;
  if (size_ == 0) throw TraceError("is empty: the program ended before it could write");
  const auto magic = head.magic;
  if (!file_.read(reinterpret_cast<char*>(&head), sizeof head) || head.magic != magic)
    throw TraceError("is not a trace of Spillway");
  if (head.version > trace::kVersion)
    throw TraceError(
        fmt::format("has version {} of the format; this reader knows {}: use a newer one",
                    head.version, trace::kVersion));
  std::string text(std::min(head.head_bytes, trace::kLargestHead), '\0');
  if (head.head_bytes > trace::kLargestHead || !file_.read(text.data(), head.head_bytes))
    throw TraceError("ends within its head");
  head_ = std::make_unique<json>(json::parse(text, nullptr, false));
  try {
    for (const json& event : head_->at("events")) kinds_.push_back(kind_from(event));
  } catch (const json::exception&) {
    throw TraceError("its head is damaged");
  }
  expected_ = at_ = sizeof head + head.head_bytes;
}

std::string TraceReader::about(const char* what, const char* fallback) const {
  const auto said = head_->find(what);
  return said != head_->end() && said->is_string() ? said->get<std::string>() : fallback;
}

uint64_t TraceReader::about(const char* what) const {
  const auto said = head_->find(what);
  return said != head_->end() && said->is_number_unsigned() ? said->get<uint64_t>() : 0;
}

namespace {
constexpr std::array<char, 4> kBlockMagic = trace::BlockHead{}.magic;
}

// From where no block is, on to the next place that looks like the beginning of one, or to where
// none can begin any more.
void TraceReader::skip_to_a_block() {
  std::array<char, 64 << 10> window;
  at_++;
  while (size_ - at_ >= sizeof(trace::BlockHead)) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(at_));
    file_.read(window.data(), window.size());
    const std::string_view seen(window.data(), static_cast<size_t>(file_.gcount()));
    if (seen.size() < kBlockMagic.size()) break;
    const size_t place = seen.find(std::string_view(kBlockMagic.data(), kBlockMagic.size()));
    if (place != std::string_view::npos) {
      at_ += place;
      return;
    }
    at_ += seen.size() - kBlockMagic.size() + 1;
  }
  at_ = size_;
}

// The next block that is whole and sound, at its first event.
bool TraceReader::read_block() {
  enum { Nothing, Unfinished, Damage } skipped = at_ < size_ ? Unfinished : Nothing;
  for (; size_ - at_ >= sizeof(trace::BlockHead); skip_to_a_block()) {
    trace::BlockHead head;
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(at_));
    file_.read(reinterpret_cast<char*>(&head), sizeof head);
    const uint64_t end = at_ + sizeof head + head.packed_bytes;
    const bool plausible = file_ && head.magic == kBlockMagic &&
                           head.packed_bytes <= trace::kLargestBlock &&
                           head.raw_bytes <= trace::kLargestBlock;
    if (plausible && end <= size_) {
      packed_.resize(head.packed_bytes);
      raw_.resize(head.raw_bytes);
      file_.read(packed_.data(), head.packed_bytes);
      const size_t raw = ZSTD_decompressDCtx(unpacker_.get(), raw_.data(), raw_.size(),
                                             packed_.data(), packed_.size());
      from_ = raw_.data();
      end_ = from_ + head.raw_bytes;
      if (file_ && raw == head.raw_bytes && trace::get(&from_, end_, &slot_)) {
        damaged_ += at_ != expected_;
        expected_ = at_ = end;
        return true;
      }
    }
    if (!plausible || end <= size_) skipped = Damage;
  }
  // What is left is no block: the last one was being written, or something broke it.
  damaged_ += skipped == Damage;
  cut_short_ = skipped == Unfinished;
  from_ = end_ = nullptr;
  at_ = size_;
  return false;
}

bool TraceReader::decode(Record* record) {
  uint64_t kind = 0;
  if (!trace::get(&from_, end_, &kind) || kind >= kinds_.size()) return false;
  if (!trace::get(&from_, end_, &record->time)) return false;
  record->kind = &kinds_[kind];
  record->slot = slot_;
  const uint8_t* from = from_;  // not through `this`, which every store might change
  uint64_t* number = record->numbers.data();
  for (const FieldInfo::Type type : record->kind->types) {
    if (!trace::get(&from, end_, number)) return false;
    if (type == FieldInfo::Type::Text) {
      if (*number > static_cast<uint64_t>(end_ - from)) return false;
      record->text = {reinterpret_cast<const char*>(from), static_cast<size_t>(*number)};
      from += *number;
    } else if (type == FieldInfo::Type::List) {
      if (*number > static_cast<uint64_t>(end_ - from)) return false;  // a byte each, at least
      record->list.resize(static_cast<size_t>(*number));
      for (uint64_t& each : record->list)
        if (!trace::get(&from, end_, &each)) return false;
    }
    number++;
  }
  from_ = from;
  return true;
}

bool TraceReader::next(Record* record) {
  for (;;) {
    if (from_ == end_ && !read_block()) return false;
    if (decode(record)) return true;
    damaged_++;  // a sound block that does not follow its own head
    from_ = end_;
  }
}

}  // namespace spillway::tools
