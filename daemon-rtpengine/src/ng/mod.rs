//! rtpengine's NG control protocol: encodings, cookies, requests, flags, replies.

pub mod bencode;
pub mod value;
