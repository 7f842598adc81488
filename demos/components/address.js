// The address and the title follow the tab, so that a link, a reload and Back lead to the same one.
const {title, tabs} = element.querySelector("[data-tabs]").dataset;
const labels = JSON.parse(tabs);
const idOf = (button) => Object.keys(labels).find((id) => labels[id] === button?.textContent.trim());
const buttons = () => [...document.querySelectorAll("[role=tab]")];
const name = (id) => { document.title = `${labels[id]} · ${title}`; };
let following = false;
document.addEventListener("click", (event) => {
    const id = idOf(event.target.closest("[role=tab]"));
    if (!id) return;
    name(id);
    const address = new URL(location);
    if (following || address.searchParams.get("tab") === id) return;
    address.searchParams.set("tab", id);
    history.pushState(null, "", address);
});
addEventListener("popstate", () => {
    const wanted = new URL(location).searchParams.get("tab")?.toLowerCase() ?? Object.keys(labels)[0];
    following = true;
    buttons().find((button) => idOf(button) === wanted)?.click();
    following = false;
});
if (parent !== window) {  // in a frame on somebody's page, which may follow its height
    const tell = () => {
        const id = idOf(document.querySelector("[role=tab][aria-selected=true]")) ?? "";
        const bottom = document.querySelector("footer")?.getBoundingClientRect().bottom ?? document.body.scrollHeight;
        parent.postMessage({visionModels: id, height: Math.ceil(bottom + scrollY) + 16}, "*");
    };
    new ResizeObserver(tell).observe(document.querySelector(".gradio-container .main") ?? document.body);
    tell();
}
const first = new URL(location).searchParams.get("tab")?.toLowerCase();
if (labels[first]) name(first);
// `?sample=coffee` begins with the first sample in view whose name begins so.
const sample = new URL(location).searchParams.get("sample")?.toLowerCase();
const begin = (tries) => {
    const offered = [...document.querySelectorAll(".samples button, .tastes button")].filter(
        (one) => one.offsetParent && one.closest("[data-ready]"));
    const wanted = offered.find((one) => one.textContent.trim().toLowerCase().startsWith(sample));
    const selected = document.querySelector("[role=tab][aria-selected=true]");
    if (wanted && (!labels[first] || idOf(selected) === first)) wanted.click();
    else if (tries) setTimeout(begin, 300, tries - 1);
};
if (sample) begin(50);
