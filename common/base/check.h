// CHECK: for bugs in this program, never for what a peer, a user or the database sent. On in every build.
#ifndef UNWIND_COMMON_BASE_CHECK_H_
#define UNWIND_COMMON_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#endif  // UNWIND_COMMON_BASE_CHECK_H_
