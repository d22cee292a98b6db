// EXPECT_ERROR(statement, text): the statement throws minillm::Error whose message contains `text`.

#ifndef TESTS_TESTING_EXPECT_ERROR_H_
#define TESTS_TESTING_EXPECT_ERROR_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/error.h"

#define EXPECT_ERROR(statement, text)                                       \
  try {                                                                     \
    statement;                                                              \
    ADD_FAILURE() << "expected an error with '" << (text) << "', got none"; \
  } catch (const ::minillm::Error& error_) {                                \
    EXPECT_THAT(std::string(error_.what()), ::testing::HasSubstr(text));    \
  }                                                                         \
  static_assert(true, "so that a semicolon follows")

#endif  // TESTS_TESTING_EXPECT_ERROR_H_
