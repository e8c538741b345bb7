// The payment gateway: mock_pg's own decisions over its ledger, which outlives the process; and payment_svc's way to
// it.
#ifndef UNWIND_TESTS_SIM_GATEWAY_H_
#define UNWIND_TESTS_SIM_GATEWAY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mock_pg/ledger.h"
#include "payment_svc/gateway_client.h"
#include "tests/sim/network.h"

namespace unwind::sim {

class GatewayServer final : public Server {
 public:
  GatewayServer(World& world, Faults& faults);

  bool up() const override { return up_; }
  void Serve(const Request& request, Respond respond) override;

  void Crash();
  // The scenario of a gateway without faults.
  void Heal() { scenario_ = {}; }
  bool idle() const { return up_ && open_ == 0; }
  MachineClock& clock() { return clock_; }

  // In the order they were written.
  const std::vector<pg::Entry>& entries() const { return entries_; }
  const pg::Ledger& ledger() const { return ledger_; }

 private:
  void Decide(pg::Operation operation, const Respond& respond);

  World& world_;
  Faults& faults_;
  MachineClock clock_;
  pg::Scenario scenario_;
  pg::Ledger ledger_;
  std::vector<pg::Entry> entries_;
  bool up_ = true;
  std::int64_t life_ = 0;  // which process this is
  std::int64_t open_ = 0;
};

class GatewayPort final : public payment::Gateway {
 public:
  // `alive`: whether the process that calls still runs; an answer to a dead one is dropped.
  GatewayPort(Network& network, std::function<bool()> alive) : network_(network), alive_(std::move(alive)) {}

  void Confirm(const payment::GatewayCall& call, const payment::Money& amount, Done done) override;
  void Cancel(const payment::GatewayCall& call, const std::string& transaction_id, std::int64_t amount_minor,
              Done done) override;
  void Fence(const payment::GatewayCall& call, const std::string& captured, Done done) override;

 private:
  void Send(const char* method, const payment::AskedOf& asked, const google::protobuf::Message& request, Done done);

  Network& network_;
  const std::function<bool()> alive_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_GATEWAY_H_
