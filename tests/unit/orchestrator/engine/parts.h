// The parts of a shard without the shard: what is decided, stored and owned, moved by a test's own hand.
#ifndef UNWIND_TESTS_UNIT_ORCHESTRATOR_ENGINE_PARTS_H_
#define UNWIND_TESTS_UNIT_ORCHESTRATOR_ENGINE_PARTS_H_

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "orchestrator/engine/key_lookup.h"
#include "orchestrator/engine/ownership.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {

class PartsTest : public testing::Test {
 protected:
  PartsTest() {
    EXPECT_TRUE(catalog_.Add(definition_).ok());
    context_.key_lookup = &key_lookup_;
  }

  // Starts saga `id` and leaves its first write pending.
  LiveSaga& Start(const std::string& id) {
    Saga saga;
    saga.id = saga.key = id;
    saga.definition = definition_->plan().name;
    saga.definition_version = definition_->plan().version;
    saga.input_hash = "h";
    saga.owner = "one";
    saga.steps.resize(definition_->plan().steps.size());
    return Move(live_.Insert(std::move(saga), definition_), Started{});
  }

  // Decides on `event`, which is not stale, and leaves the write pending.
  LiveSaga& Move(LiveSaga& live, const Event& event) {
    const Moment moment{.now = clock_.Now(), .jitter = 0};
    Decision decision = Advance(definition_->plan(), live.saga, event, moment);
    EXPECT_FALSE(decision.stale);
    PendingWrite& write = pending_.Of(live);
    live.saga = std::move(decision.next);
    write.events.push_back({.seq = live.saga.version,
                            .moment = moment,
                            .event = event,
                            .state = live.saga.state,
                            .sends = std::move(decision.sends)});
    return live;
  }

  const std::shared_ptr<const Definition> definition_ = std::make_shared<PlainDefinition>(Sequence());
  FaultyStore store_;
  ScriptedParticipants participants_{[](const Call&) { return OkResult(); }};
  DefinitionCatalog catalog_;
  ManualClock clock_;
  CountingObserver observer_;
  DriverContext context_{.store = store_,
                         .participants = participants_,
                         .catalog = catalog_,
                         .clock = clock_,
                         .observer = observer_,
                         .lease = *store_.Acquire("one", "", absl::Seconds(15)),
                         .options = {},
                         .shard_of = nullptr};
  KeyLookup key_lookup_{context_};
  LiveSagas live_{context_.admission, context_.saga_memory};
  PendingCommit pending_{context_, live_};
};

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_ORCHESTRATOR_ENGINE_PARTS_H_
