// A payment gateway whose every answer is the test's to give.
#ifndef UNWIND_TESTS_CONTRACT_SCRIPTED_GATEWAY_H_
#define UNWIND_TESTS_CONTRACT_SCRIPTED_GATEWAY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "payment_svc/collect.h"
#include "payment_svc/gateway_client.h"

namespace unwind::payment {

// A ledger whose questions wait until the test lets the gateway see them. Thread-safe.
class ScriptedGateway final : public Gateway, public GatewayBooks {
 public:
  // Every capture is of `amount`.
  explicit ScriptedGateway(Money amount) : amount_(std::move(amount)) {}

  void Confirm(const GatewayCall& call, const Money&, Done done) override { Hold({call.key, false, std::move(done)}); }
  void Fence(const GatewayCall& call, const std::string&, Done done) override {
    Hold({call.key, true, std::move(done)});
  }
  void Cancel(const GatewayCall&, const std::string& transaction, std::int64_t, Done done) override {
    GatewayAnswer answer{GatewayAnswer::Kind::kMoved, "back-" + transaction, amount_, transaction, ""};
    {
      std::lock_guard lock(mutex_);
      if (!returned_.insert(transaction).second)
        answer = {GatewayAnswer::Kind::kBackAlready, "", {}, "", "ALREADY_REFUNDED"};
    }
    done(std::move(answer));
  }
  void Inquire(const GatewayCall& call, Done done) override { done(WordOf(call.key)); }

  // How many questions of Pay and of the decision there were about a payment: the number of the newest.
  std::size_t Asked(const std::string& payment) {
    std::lock_guard lock(mutex_);
    return questions_[payment].size();
  }
  bool IsConfirm(const std::string& payment, std::size_t number) {
    std::lock_guard lock(mutex_);
    return !questions_[payment][number - 1].is_fence;
  }

  // Sees a question, and answers it unless its answer is lost.
  void See(const std::string& payment, std::size_t number, bool lies, bool is_lost) {
    const Question question = Find(payment, number);
    {
      std::lock_guard lock(mutex_);
      Key& key = keys_[question.key];
      if (!question.is_fence) Take(question.key, key, lies);
      if (question.is_fence && key.capture.empty()) key.is_fenced = true;
    }
    question.done(is_lost ? Nothing() : WordOf(question.key));
  }
  // A question that is not answered in time; what becomes of it the gateway decides later.
  void Lose(const std::string& payment, std::size_t number) { Find(payment, number).done(Nothing()); }

  // The gateway finishes what it had accepted.
  void TakeAt(const std::string& key, bool lies) {
    std::lock_guard lock(mutex_);
    Take(key, keys_[key], lies);
  }
  std::string CaptureOf(const std::string& key) {
    std::lock_guard lock(mutex_);
    return keys_[key].capture;
  }
  // The captures that were not paid back.
  std::vector<std::string> Standing(const std::string& payment) {
    std::lock_guard lock(mutex_);
    std::vector<std::string> standing;
    for (const int number : {1, 2}) {
      const std::string& capture = keys_[AttemptKey(payment, number)].capture;
      if (!capture.empty() && returned_.count(capture) == 0) standing.push_back(capture);
    }
    return standing;
  }
  // From now on nothing happens to its keys by itself, and it says so.
  void Rest() { rests_ = true; }

 private:
  struct Key {
    bool is_fenced = false;
    std::string capture;
  };
  struct Question {
    std::string key;
    bool is_fence = false;
    Done done;
  };

  static GatewayAnswer Nothing() { return {GatewayAnswer::Kind::kUnknown, "", {}, "", "DEADLINE_EXCEEDED"}; }
  static void Take(const std::string& name, Key& key, bool lies) {
    if (!key.is_fenced || lies) key.capture = "tx-" + name;
  }
  void Hold(Question question) {
    std::lock_guard lock(mutex_);
    questions_[PaymentIdOf(question.key)].push_back(std::move(question));
  }
  Question Find(const std::string& payment, std::size_t number) {
    std::lock_guard lock(mutex_);
    return questions_[payment][number - 1];
  }
  GatewayAnswer WordOf(const std::string& name) {
    std::lock_guard lock(mutex_);
    const Key& key = keys_[name];
    GatewayAnswer word{GatewayAnswer::Kind::kPending, "", {}, "", "PENDING"};
    if (key.is_fenced) word = {GatewayAnswer::Kind::kFenced, "", {}, "", "KEY_FENCED"};
    if (!key.capture.empty()) word = {GatewayAnswer::Kind::kMoved, key.capture, amount_, "", ""};
    word.is_final = rests_;
    return word;
  }

  const Money amount_;
  std::mutex mutex_;
  std::map<std::string, Key> keys_;
  std::map<std::string, std::vector<Question>> questions_;  // by payment
  std::set<std::string> returned_;
  std::atomic<bool> rests_ = false;
};

}  // namespace unwind::payment

#endif  // UNWIND_TESTS_CONTRACT_SCRIPTED_GATEWAY_H_
