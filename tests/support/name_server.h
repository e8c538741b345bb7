// A name server (DNS over UDP) on a free port of the loopback, for targets such as dns://ADDRESS/NAME:PORT.
#ifndef UNWIND_TESTS_SUPPORT_NAME_SERVER_H_
#define UNWIND_TESTS_SUPPORT_NAME_SERVER_H_

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/base/file_descriptor.h"

namespace unwind {

// Thread-safe.
class NameServer {
 public:
  NameServer();
  ~NameServer();

  // 127.0.0.1:PORT
  std::string address() const;

  // The IPv4 addresses that every name stands for from now on, at first none: then there is no such name.
  void Set(std::vector<std::string> addresses);

  // How often it was asked for IPv4 addresses.
  int asked() const;

 private:
  void Run();
  std::string AnswerTo(const std::string& query);

  FileDescriptor socket_;
  mutable std::mutex mutex_;
  std::vector<std::string> addresses_;  // guarded by mutex_, as all below
  int asked_ = 0;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_NAME_SERVER_H_
