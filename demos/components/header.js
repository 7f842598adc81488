// Turns the page from light to dark and back; the address remembers it, nothing else does.
element.querySelector("button").addEventListener("click", () => {
    const theme = document.body.classList.toggle("dark") ? "dark" : "light";
    const address = new URL(location);
    address.searchParams.set("__theme", theme);
    history.replaceState(history.state, "", address);
});
