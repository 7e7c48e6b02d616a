//! MQTT as our doors need it: where a packet ends, the packets that nearly all traffic consists of,
//! and what the topic and payload of a message say.
//!
//! What it is not: the protocol. Connections, acknowledgements and all other packets are the server's,
//! by a library.

mod frame;
mod payload;
mod usual;

pub use frame::{Frame, PING_LEN, PONG, Publish, next, puback};
pub use payload::{Content, content, split_topic};
pub use usual::Usual;
