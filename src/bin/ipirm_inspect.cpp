// ipirm-inspect: shows what a run did, as pictures, tables and one page.
#include "ipirm/app/inspect_app.h"
#include "ipirm/app/program.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_inspect(argc, argv);
    return config ? ipirm::app::run_inspect(*config) : ipirm::app::kExitOk;
  });
}
