#include "orchestrator/engine/saga_bytes.h"

#include <string>
#include <variant>

namespace unwind {
namespace {

constexpr std::size_t kBlockBytes = 16;     // of malloc, for each block
constexpr std::size_t kMapNodeBytes = 112;  // of an entry of a map of strings, with its block

// Short texts lie in the string itself.
std::size_t BytesOf(const std::string& text) {
  constexpr std::size_t kInside = 15;
  return text.capacity() <= kInside ? 0 : text.capacity() + kBlockBytes;
}

}  // namespace

std::size_t BytesOf(const Failure& failure) {
  std::size_t bytes =
      BytesOf(failure.reason) + BytesOf(failure.domain) + BytesOf(failure.message) + BytesOf(failure.step);
  for (const auto& [name, value] : failure.metadata) bytes += kMapNodeBytes + BytesOf(name) + BytesOf(value);
  return bytes;
}

std::size_t BytesOf(const Saga& saga) {
  std::size_t bytes = kBlockBytes + BytesOf(saga.failure);
  for (const std::string* const text :
       {&saga.id, &saga.definition, &saga.key_scope, &saga.key, &saga.input_hash, &saga.input, &saga.parent,
        &saga.owner, &saga.trace.traceparent, &saga.trace.tracestate, &saga.trace.baggage}) {
    bytes += BytesOf(*text);
  }
  bytes += saga.steps.capacity() * sizeof(Step);
  for (const Step& step : saga.steps)
    bytes += BytesOf(step.reply) + BytesOf(step.pending_reply) + BytesOf(step.last_failure);
  return bytes;
}

std::size_t BytesOf(const Replied& reply) { return BytesOf(reply.reply) + BytesOf(reply.failure); }

std::size_t BytesOf(const Event& event) {
  if (const auto* const reply = std::get_if<Replied>(&event)) return BytesOf(*reply);
  const auto* const operated = std::get_if<Operated>(&event);
  return operated == nullptr ? 0 : BytesOf(operated->reply);
}

}  // namespace unwind
