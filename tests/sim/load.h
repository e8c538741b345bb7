// The buyers: who orders what and when, who calls again, with the same body or another, who cancels.
#ifndef UNWIND_TESTS_SIM_LOAD_H_
#define UNWIND_TESTS_SIM_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "tests/sim/customers.h"
#include "tests/sim/network.h"

namespace unwind::sim {

// Whether this answer of a served method ends the matter: no repeat of the call can get another one.
bool IsFinal(const std::string& method, const Reply& reply);

// Whose the key of a served method's request is, where callers are told apart: its member's.
std::string ScopeOf(const google::protobuf::Message& request);

class Load {
 public:
  Load(World& world, Faults& faults, Network& network, Customers& customers, int buyers, absl::Duration span,
       int orchestrators);

  // Every buyer has a final answer to everything asked.
  bool done() const { return open_ == 0 && customers_.done(); }

  // A saga that a caller was told of: somebody may cancel it, or its order.
  void Accepted(const std::string& key, const std::string& saga_id);

 private:
  // One thing that is asked until it is answered.
  struct Errand {
    std::string method;
    std::string bytes;
    std::string other_bytes;  // the same key, another body
    std::string member;       // who places an order; empty: a cancellation
    absl::Duration timeout;
    int calls = 0;
    bool other = false;  // which body is next
    bool mixed = false;  // both bodies were sent
  };

  void Plan(absl::Duration span);
  void PlanSale(absl::Duration after);
  void HearForNow(const Errand& errand, const Reply& reply);
  void Ask(std::size_t i);
  void Hear(std::size_t i, const Reply& reply);
  void Open(absl::Duration after, Errand errand);
  void CancelOrder(const std::string& order_id, const std::string& member, absl::Duration after);
  Node AnyOrchestrator();

  World& world_;
  Faults& faults_;
  Network& network_;
  Customers& customers_;
  const int buyers_;
  const int orchestrators_;
  int open_ = 0;
  int keys_ = 0;
  std::vector<Errand> errands_;
  std::map<std::string, std::string> members_;  // who orders, by key
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_LOAD_H_
