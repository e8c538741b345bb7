#include "common/participant/store_health.h"

#include <functional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class StoreHealthTest : public testing::Test {
 protected:
  using Done = std::function<void(absl::Status)>;

  // Lets `length` pass as the service does: it checks, and checks again after each pause.
  void Pass(absl::Duration length) {
    for (absl::Duration pause; length > absl::ZeroDuration(); length -= pause) {
      pause = health_.Check();
      now_ += pause;
    }
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Status answer_;  // of the store
  bool hangs_ = false;
  int probes_ = 0;
  std::vector<Done> out_;
  std::vector<bool> told_;
  StoreHealth health_{[this](Done done) {
                        ++probes_;
                        hangs_ ? out_.push_back(std::move(done)) : done(answer_);
                      },
                      [this] { return now_; }, [this](bool serving) { told_.push_back(serving); }};
};

TEST_F(StoreHealthTest, SaysNothingWhileTheStoreTakesWrites) {
  Pass(absl::Minutes(5));
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(probes_, 60);
}

TEST_F(StoreHealthTest, SaysSoOnceTheStoreFailsForLongAndOnceItIsBack) {
  Pass(absl::Minutes(1));
  answer_ = absl::UnavailableError("disk full");
  Pass(absl::Seconds(5));
  EXPECT_THAT(told_, IsEmpty());
  testing::internal::CaptureStderr();
  Pass(absl::Minutes(1));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("disk full"));
  EXPECT_THAT(told_, ElementsAre(false));
  answer_ = absl::OkStatus();
  Pass(absl::Seconds(2));
  EXPECT_THAT(told_, ElementsAre(false, true));
  answer_ = absl::InternalError("no such table");
  Pass(absl::Minutes(1));
  EXPECT_THAT(told_, ElementsAre(false, true, false));
}

TEST_F(StoreHealthTest, AFailureThatPassesIsNotTold) {
  for (int i = 0; i < 10; ++i) {
    answer_ = absl::UnavailableError("busy");
    Pass(absl::Seconds(5));
    answer_ = absl::OkStatus();
    Pass(absl::Seconds(6));
  }
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(StoreHealthTest, AStoreThatDoesNotAnswerIsAskedOnceAndToldToo) {
  Pass(absl::Minutes(1));
  hangs_ = true;
  testing::internal::CaptureStderr();
  Pass(absl::Minutes(1));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("a write does not end"));
  EXPECT_THAT(told_, ElementsAre(false));
  ASSERT_THAT(out_, SizeIs(1));
  hangs_ = false;
  out_[0](absl::OkStatus());
  Pass(absl::Seconds(1));
  EXPECT_THAT(told_, ElementsAre(false, true));
}

TEST_F(StoreHealthTest, AProcessThatWasStoppedForLongSaysNothingOfItsStore) {
  Pass(absl::Minutes(1));
  now_ += absl::Hours(1);
  hangs_ = true;
  health_.Check();
  hangs_ = false;
  ASSERT_THAT(out_, SizeIs(1));
  out_[0](absl::OkStatus());
  Pass(absl::Minutes(1));
  EXPECT_THAT(told_, IsEmpty());
}

}  // namespace
}  // namespace unwind
