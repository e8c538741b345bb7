#include "tests/support/memory_saga_store.h"

#include <memory>

#include "tests/contract/saga_store_contract.h"
#include "tests/contract/saga_store_followers_contract.h"
#include "tests/contract/saga_store_resting_contract.h"

namespace unwind {
namespace {

class MemoryHome final : public StoreHome {
 public:
  SagaStore& store() override { return store_; }
  bool Reopen() override { return false; }

 private:
  MemorySagaStore store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, SagaStoreContract,
                         testing::Values(MakeStoreHome([] { return std::make_unique<MemoryHome>(); })));
INSTANTIATE_TEST_SUITE_P(Memory, SagaStoreFollowers,
                         testing::Values(MakeStoreHome([] { return std::make_unique<MemoryHome>(); })));
INSTANTIATE_TEST_SUITE_P(Memory, SagaStoreResting,
                         testing::Values(MakeStoreHome([] { return std::make_unique<MemoryHome>(); })));

}  // namespace
}  // namespace unwind
