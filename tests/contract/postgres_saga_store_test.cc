#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "orchestrator/adapters/soci_saga_store.h"
#include "tests/contract/saga_store_contract.h"
#include "tests/support/poll.h"
#include "tests/support/postgres.h"

namespace unwind {
namespace {

class PostgresHome final : public StoreHome {
 public:
  PostgresHome() { Reopen(); }
  SagaStore& store() override { return *store_; }
  bool Reopen() override {
    store_ = nullptr;
    store_ = SociSagaStore::Open(database_, /*writers=*/4).value();
    return true;
  }

 private:
  const std::string database_ = NewTestDatabase();
  std::unique_ptr<SagaStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, SagaStoreContract,
                         testing::Values(MakeStoreHome([] { return std::make_unique<PostgresHome>(); })));

}  // namespace
}  // namespace unwind
