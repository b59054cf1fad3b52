//! rtpengine's NG control protocol: encodings, cookies, requests, flags, replies.

pub mod bencode;
pub mod cookie;
pub mod document;
pub mod flags;
pub mod json;
mod quality;
pub mod reply;
pub mod request;
pub mod value;
