#include "common/participant/domains.h"

#include <any>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using testing::ElementsAre;

// Writes down what it is asked, as "NAME METHOD".
class NamedDomain final : public StepDomain {
 public:
  NamedDomain(std::string name, int methods, std::vector<std::string>& asked)
      : name_(std::move(name)), methods_(methods), asked_(asked) {}

  std::vector<StepMethod> methods() const override {
    std::vector<StepMethod> all(static_cast<std::size_t>(methods_));
    for (int i = 0; i < methods_; ++i) all[static_cast<std::size_t>(i)].name = absl::StrCat(name_, i);
    return all;
  }
  absl::Status Apply(soci::session&, const std::vector<Command*>& commands) override {
    for (const Command* command : commands) asked_.push_back(absl::StrCat(name_, " ", command->method));
    return status;
  }
  void Continue(const Command& command, std::function<void(std::any)> done) override {
    asked_.push_back(absl::StrCat(name_, " continues ", command.method));
    done(std::any(name_));
  }

  absl::Status status;

 private:
  const std::string name_;
  const int methods_;
  std::vector<std::string>& asked_;
};

class DomainsTest : public testing::Test {
 protected:
  DomainsTest() {
    for (const auto& [name, methods] : std::vector<std::pair<std::string, int>>{{"a", 2}, {"b", 1}, {"c", 3}}) {
      auto domain = std::make_unique<NamedDomain>(name, methods, asked_);
      named_.push_back(domain.get());
      parts_.push_back(std::move(domain));
    }
  }

  static Command Of(int method) {
    Command command;
    command.method = method;
    return command;
  }

  std::vector<std::string> asked_;
  std::vector<NamedDomain*> named_;
  std::vector<std::unique_ptr<StepDomain>> parts_;
  soci::session session_;
};

TEST_F(DomainsTest, EachHasNumbersOfItsOwn) {
  const Domains domains(std::move(parts_));
  EXPECT_EQ(domains.all()[0]->NumberOf("a1"), 1);
  EXPECT_EQ(domains.all()[1]->NumberOf("b0"), 2);
  EXPECT_EQ(domains.all()[2]->first(), 3);
  EXPECT_EQ(domains.all()[2]->NumberOf("c2"), 5);
}

TEST_F(DomainsTest, EachIsAskedForItsOwnInTheOrderOfTheCalls) {
  Domains domains(std::move(parts_));
  Command first = Of(5), second = Of(0), third = Of(3), fourth = Of(1);
  EXPECT_TRUE(domains.Apply(session_, {&first, &second, &third, &fourth}).ok());
  EXPECT_THAT(asked_, ElementsAre("a 0", "a 1", "c 5", "c 3"));  // b was not asked at all
}

TEST_F(DomainsTest, WhatOneCannotWriteEndsTheBatch) {
  named_[0]->status = absl::AbortedError("another process was faster");
  Domains domains(std::move(parts_));
  Command first = Of(2), second = Of(0);
  EXPECT_TRUE(absl::IsAborted(domains.Apply(session_, {&first, &second})));
  EXPECT_THAT(asked_, ElementsAre("a 0"));
}

TEST_F(DomainsTest, WhatGoesOnLaterGoesOnAtItsOwnDomain) {
  Domains domains(std::move(parts_));
  std::string told;
  for (const int method : {2, 3}) {
    domains.Continue(Of(method), [&told](std::any who) { told += std::any_cast<std::string>(who); });
  }
  EXPECT_EQ(told, "bc");
  EXPECT_THAT(asked_, ElementsAre("b continues 2", "c continues 3"));
}

}  // namespace
}  // namespace unwind
