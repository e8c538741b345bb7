// Clients of the shop, which repeat their calls while processes die until they know how these ended.
#ifndef UNWIND_TESTS_CRASH_CLIENT_H_
#define UNWIND_TESTS_CRASH_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/crash/tales.h"
#include "tests/support/cluster.h"
#include "tests/support/shop.h"

namespace unwind {

inline constexpr absl::Duration kClientPatience = absl::Seconds(60);

class Client {
 public:
  virtual ~Client() = default;

  // Makes what must be there before its call. No process dies yet.
  virtual absl::Status Prepare() { return absl::OkStatus(); }

  // Calls, calls again, or makes the next call. True once the client knows how all of it ended. Does not wait.
  virtual bool GoOn() = 0;

  // Once GoOn has said true: whether the client was told that its call was carried out. Else it was told that all of it
  // was undone.
  virtual bool IsDone() const = 0;

  // The same: OK if it ended as `end` says, the saga's state is what the client was told, and a repeat is told the
  // same.
  virtual absl::Status Check(End end) = 0;

  // For messages: its key, the number of its calls and its saga.
  virtual std::string ToText() = 0;
};

// Fills the shelves and begins the campaigns that the clients use.
absl::Status OpenShop(Shop& shop);

// What the payment gateway does for so many clients of a tale.
pg::v1::Scenario ScenarioOf(Tale tale, int clients);

// Whether clients of other tales can run beside it: ScenarioOf changes nothing for their payments.
bool MixesWithOthers(Tale tale);

// A client with a member of its own.
std::unique_ptr<Client> MakeClient(Tale tale, Shop& shop, int quantity);

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_CLIENT_H_
