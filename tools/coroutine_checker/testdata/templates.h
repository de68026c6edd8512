// Coroutines in a header, as templates.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_TESTDATA_TEMPLATES_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_TESTDATA_TEMPLATES_H_

#include <unistd.h>

#include <cstddef>

#include "framework/pelton.h"

// What its argument is, the header cannot know: it is found where it is used with a container.
template <typename Items>
pelton::Task<void> VisitAll(const Items& items) {
  for (const auto& item : items) (void)item;  // expect: pelton-await-free-loop
  co_return;
}

// Used with arrays only.
template <typename Items>
pelton::Task<void> VisitFew(const Items& items) {
  for (const auto& item : items) (void)item;
  co_return;
}

// Found without a use.
template <typename T>
pelton::Task<void> NeverUsed(T* value) {
  while (true) ++*value;  // expect: pelton-await-free-loop
  usleep(1);              // expect: pelton-blocking-call
  co_return;
}

template <size_t count>
pelton::Task<void> Repeat() {
  for (size_t i = 0; i < count; ++i) (void)i;
  co_return;
}

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_TESTDATA_TEMPLATES_H_
