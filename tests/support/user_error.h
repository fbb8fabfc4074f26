// The message of a user's mistake, for tests of what it says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "ipirm/core/error.h"

namespace ipirm::test {

// The message of the UserError that `action` throws, which must be one line; fails the test, and is
// "", if it throws none.
template <class Action>
std::string user_error(const Action& action) {
  try {
    action();
  } catch (const core::UserError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no UserError was thrown";
  return "";
}

}  // namespace ipirm::test
