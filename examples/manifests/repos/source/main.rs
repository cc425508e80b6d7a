fn main() {
    println!("hello from the shop");
}
