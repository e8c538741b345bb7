#include "orchestrator/definition/field_copy.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"

namespace unwind {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

// One occurrence of a field.
struct Occurrence {
  std::uint32_t wire_type = 0;
  absl::string_view value;  // what stands behind the tag
};

absl::string_view Between(absl::string_view bytes, int begin, int end) {
  return bytes.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

// Takes every occurrence of field `number` out of `message`; false if that is none.
bool Find(absl::string_view message, int number, std::vector<Occurrence>& found) {
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.data()), static_cast<int>(message.size()));
  while (in.CurrentPosition() < static_cast<int>(message.size())) {
    const std::uint32_t tag = in.ReadTag();
    const int begin = in.CurrentPosition();
    if (tag == 0 || !WireFormatLite::SkipField(&in, tag)) return false;
    if (WireFormatLite::GetTagFieldNumber(tag) != number) continue;
    found.push_back({tag & 7, Between(message, begin, in.CurrentPosition())});
  }
  return true;
}

// The messages that the occurrences hold, as one: several of a singular field are merged, and bytes in a row are. What
// is no message is none of this field's.
std::string Merged(const std::vector<Occurrence>& occurrences) {
  std::string merged;
  for (const Occurrence& each : occurrences) {
    if (each.wire_type != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) continue;
    CodedInputStream in(reinterpret_cast<const std::uint8_t*>(each.value.data()), static_cast<int>(each.value.size()));
    std::uint32_t size = 0;
    if (!in.ReadVarint32(&size)) continue;
    merged.append(std::string(each.value.substr(static_cast<std::size_t>(in.CurrentPosition()))));
  }
  return merged;
}

std::string Encoded(int number, std::uint32_t wire_type, absl::string_view value) {
  std::string bytes;
  {
    StringOutputStream stream(&bytes);
    CodedOutputStream out(&stream);
    out.WriteTag(WireFormatLite::MakeTag(number, static_cast<WireFormatLite::WireType>(wire_type)));
    out.WriteRaw(value.data(), static_cast<int>(value.size()));
  }
  return bytes;
}

}  // namespace

void AppendField(int number, absl::string_view value, std::string& to) {
  std::string bytes;
  {
    StringOutputStream stream(&bytes);
    CodedOutputStream out(&stream);
    out.WriteVarint32(static_cast<std::uint32_t>(value.size()));
    out.WriteRaw(value.data(), static_cast<int>(value.size()));
  }
  to += Encoded(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED, bytes);
}

bool CopyFieldBytes(absl::string_view from, const std::vector<int>& source, const std::vector<int>& target,
                    std::string& to) {
  std::string holder(from), copied;
  std::vector<Occurrence> found;
  if (!Find(holder, 0, found)) return false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (i > 0) holder = Merged(found);
    found.clear();
    if (!Find(holder, source[i], found)) return false;
    if (found.empty()) return true;
  }
  if (source.empty()) AppendField(target.back(), holder, copied);
  for (const Occurrence& each : found) {
    // A group ends with a tag of its own, which has the number.
    if (each.wire_type == WireFormatLite::WIRETYPE_START_GROUP) return false;
    copied += Encoded(target.back(), each.wire_type, each.value);
  }
  for (std::size_t i = target.size() - 1; i-- > 0;) {
    std::string holds;
    AppendField(target[i], copied, holds);
    copied = std::move(holds);
  }
  to += copied;
  return true;
}

}  // namespace unwind
