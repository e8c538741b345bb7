// The payments that one transaction touches, as they were loaded and as they become.
#ifndef UNWIND_PAYMENT_SVC_ROW_SET_H_
#define UNWIND_PAYMENT_SVC_ROW_SET_H_

#include <map>
#include <string>
#include <vector>

#include "payment_svc/collect.h"
#include "soci/session.h"

namespace unwind::payment {

// Inside the transaction of `session`; lets soci_error pass. Want, then Load once, then Of, then Save.
class RowSet {
 public:
  enum class Depth { kPayment, kAll };  // kAll: its attempts and returns too

  explicit RowSet(soci::session& session) : session_(session) {}

  void Want(const std::string& payment_id, Depth depth);
  void Load();

  // REQUIRES: it was wanted.
  PaymentRows& Of(const std::string& payment_id) { return rows_.at(payment_id); }

  // Writes what has changed since it was loaded or saved, one statement a table. False: another process has inserted
  // the same row meanwhile; roll back.
  bool Save();

  // Nothing is left of what was loaded.
  void Forget();

 private:
  soci::session& session_;
  std::map<std::string, Depth> wanted_;
  std::map<std::string, PaymentRows> rows_, loaded_;
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_ROW_SET_H_
