// The network between the processes of a simulation: calls with a deadline, as gRPC makes them. A request may be lost,
// come twice, late, or after others that were sent later; an answer may be lost or late. Each caller is answered
// exactly once.
#ifndef UNWIND_TESTS_SIM_NETWORK_H_
#define UNWIND_TESTS_SIM_NETWORK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

namespace unwind::sim {

enum class Node : std::uint8_t {
  kBuyers,
  kOrchestratorA,
  kOrchestratorB,
  kOrder,
  kStock,
  kPayment,
  kDepot,
  kCoupon,
  kWallet,
  kGateway
};
constexpr std::size_t kNodes = static_cast<std::size_t>(Node::kGateway) + 1;
const char* NameOf(Node node);

struct Request {
  std::string method;  // "/package.Service/Method"
  std::string bytes;
  std::vector<std::pair<std::string, std::string>> metadata;
  absl::Duration timeout;

  // Empty if there is none.
  absl::string_view Metadata(absl::string_view name) const;
  // For people: the method, and of a saga's call who calls.
  std::string Text() const;
};

struct Reply {
  absl::Status status;
  std::string bytes;                                  // if OK
  bool effect_free = false;                           // the trailer `saga-outcome: refused`
  bool cut = false;                                   // the connection ended under the call: there was no answer
  bool pending = false;                               // of OK: the trailer `saga-outcome: pending`
  absl::Duration retry_after = absl::ZeroDuration();  // of such a one: the trailer `saga-retry-after`; zero: none

  std::string Text() const;
};

using Respond = std::function<void(Reply)>;

// One process that is called.
class Server {
 public:
  virtual ~Server() = default;
  virtual bool up() const = 0;
  // REQUIRES: up(). Calls `respond` at most once; a process that dies never does.
  virtual void Serve(const Request& request, Respond respond) = 0;
};

// Sees every request that is sent and every answer that is given, whatever becomes of them.
class Witness {
 public:
  virtual ~Witness() = default;
  virtual void Sent(Node from, Node to, const Request& request) = 0;
  virtual void Answered(Node to, const Request& request, const Reply& reply) = 0;
};

class Network {
 public:
  Network(World& world, Faults& faults);

  void Connect(Node node, Server& server) { servers_[static_cast<std::size_t>(node)] = &server; }
  void Watch(Witness& witness) { witness_ = &witness; }

  // Calls `done` exactly once: with the answer, or DEADLINE_EXCEEDED after the request's timeout, or UNAVAILABLE if
  // there is no process at `to` or the connection ended.
  void Call(Node from, Node to, Request request, Respond done);

  // Messages that are still under way.
  std::int64_t under_way() const { return under_way_; }

  // Begins and ends a time in which `from` cannot reach `to`.
  void Cut(Node from, Node to, bool cut) { cut_[Link(from, to)] = cut; }
  void MendAll() { cut_.fill(false); }

  // Delivers every request that was ever sent once more, in random order, each at a moment of the next `within`; the
  // answers go to the witness only. Of equal calls that belong to no step, two. `wanted` leaves some out.
  void ReplayAll(absl::Duration within, const std::function<bool(const Request&)>& wanted);

 private:
  struct Sent {
    Node from;
    Node to;
    std::shared_ptr<const Request> request;
  };
  struct Open {  // a call that was not answered yet
    Respond done;
  };

  static std::size_t Link(Node from, Node to) {
    return static_cast<std::size_t>(from) * kNodes + static_cast<std::size_t>(to);
  }
  void Carry(Node from, Node to, const std::string& what, std::function<void()> arrive);
  void EndConnection(std::size_t link);
  void Deliver(const Sent& sent, const std::shared_ptr<Open>& open);
  static void Close(const std::shared_ptr<Open>& open, Reply reply);

  World& world_;
  Faults& faults_;
  const absl::Duration latency_;
  Witness* witness_ = nullptr;
  std::array<Server*, kNodes> servers_ = {};
  std::array<bool, kNodes* kNodes> cut_ = {};
  std::array<absl::Time, kNodes * kNodes> last_arrival_;
  std::array<std::vector<std::weak_ptr<Open>>, kNodes * kNodes> carried_;  // by link: what its connection carries
  std::vector<Sent> old_;
  std::int64_t under_way_ = 0;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_NETWORK_H_
