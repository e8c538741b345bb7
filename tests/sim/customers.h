// Those who pay a sale themselves: in time, at the very end of it, too late, never, or twice at once; or who do not
// want it any more.
#ifndef UNWIND_TESTS_SIM_CUSTOMERS_H_
#define UNWIND_TESTS_SIM_CUSTOMERS_H_

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/sim/network.h"
#include "tests/sim/nudges.h"

namespace unwind::sim {

inline constexpr char kPay[] = "/shop.payment.v1.PaymentService/Pay";
inline constexpr char kCancelPayment[] = "/shop.payment.v1.PaymentService/CancelPayment";

class Customers {
 public:
  Customers(World& world, Faults& faults, Network& network, Nudges& nudges)
      : world_(world), faults_(faults), network_(network), nudges_(nudges) {}

  // A customer reads where to pay, perhaps not for the first time.
  void AskedToPay(const std::string& payment_id, const std::string& member, absl::Time until);

  // Nobody waits for the answer to a call.
  bool done() const { return open_ == 0; }
  // Whose last word is known: a late copy of the call must change nothing.
  bool IsAnswered(const std::string& key) const { return answered_.count(key) > 0; }
  // The payments whose Pay was answered: paid.
  const std::set<std::string>& paid() const { return paid_; }
  // The payments whose CancelPayment was answered OK.
  const std::set<std::string>& cancelled() const { return cancelled_; }

 private:
  // A call of a customer, and its repeats.
  struct Attempt {
    absl::string_view path = kPay;
    std::string payment_id;
    std::string key;
    std::string bytes;
    int calls = 0;
  };

  void PlanPay(const std::string& payment_id, const std::string& member, int method, absl::Duration after);
  void PlanCancel(const std::string& payment_id, const std::string& member, absl::Duration after);
  void Plan(Attempt attempt, absl::Duration after);
  void Call(std::size_t i);
  void Hear(std::size_t i, const Reply& reply);
  void HearPay(const Attempt& attempt, const Reply& reply);

  World& world_;
  Faults& faults_;
  Network& network_;
  Nudges& nudges_;
  int open_ = 0;
  std::deque<Attempt> attempts_;
  std::set<std::string> asked_;  // payments
  std::map<std::string, int> not_found_;
  std::set<std::string> answered_;  // keys
  std::set<std::string> paid_, cancelled_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_CUSTOMERS_H_
