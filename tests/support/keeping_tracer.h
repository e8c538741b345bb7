// Takes the spans of this process into a list.
#ifndef UNWIND_TESTS_SUPPORT_KEEPING_TRACER_H_
#define UNWIND_TESTS_SUPPORT_KEEPING_TRACER_H_

#include <utility>
#include <vector>

#include "common/observe/tracer.h"

namespace unwind {

// For one thread. `spans` must outlive it.
class KeepingTracer final : public Tracer {
 public:
  explicit KeepingTracer(std::vector<Span>& spans) : spans_(spans) {}
  void Export(Span span) override { spans_.push_back(std::move(span)); }

 private:
  std::vector<Span>& spans_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_KEEPING_TRACER_H_
