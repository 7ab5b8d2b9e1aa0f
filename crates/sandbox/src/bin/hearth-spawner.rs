//! The spawner as a program of its own, for tests and for servers that do not want to execute themselves. Under
//! hearth-network's name it is that.

fn main() {
    hearth_sandbox::helper_main_if_requested();
    hearth_network::network_main_if_requested();
    eprintln!("hearth-spawner is started by the hearth server and does nothing by itself");
    std::process::exit(2);
}
