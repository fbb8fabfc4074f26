// Teams as arguments of operators: the dispatcher must know their class first.
#pragma once

namespace ipirm::ops {

// To be called before a schema or an implementation that takes a Team is registered; files are
// initialised in no order that may be relied on. Again it does nothing.
void know_teams();

}  // namespace ipirm::ops
