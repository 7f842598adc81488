// All GIFs of the tab stand still while this is pressed, and from the start for visitors who want less motion.
const MOVING = ["#cards", "#preview", "#history"].map((place) => `${place} img, ${place} video`).join(", ");
let still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const freeze = (picture) => {
    if (picture.tagName === "VIDEO") { picture.autoplay = false; picture.pause(); return; }
    if (!picture.complete) { picture.addEventListener("load", () => still && freeze(picture), {once: true}); return; }
    if (picture.classList.contains("stopped") || !picture.naturalWidth) return;
    const frame = Object.assign(document.createElement("canvas"), {width: picture.naturalWidth, height: picture.naturalHeight});
    frame.getContext("2d").drawImage(picture, 0, 0);  // of an animation, this is its first frame
    frame.setAttribute("role", "img");
    frame.setAttribute("aria-label", picture.alt);
    picture.classList.add("stopped");
    picture.after(frame);
};
const thaw = (picture) => {
    if (picture.tagName === "VIDEO") { picture.play().catch(() => {}); return; }
    if (picture.classList.contains("stopped")) picture.nextElementSibling?.remove();
    picture.classList.remove("stopped");
};
const apply = () => document.querySelectorAll(MOVING).forEach(still ? freeze : thaw);
const say = () => {
    const button = element.querySelector("button");
    button.setAttribute("aria-pressed", still);
    button.textContent = still ? "Play all GIFs" : "Pause all GIFs";
};
element.addEventListener("click", (event) => {
    if (event.target.tagName !== "BUTTON") return;
    still = !still;
    say();
    apply();
});
new MutationObserver(() => { if (still) apply(); }).observe(document.body, {childList: true, subtree: true});
say();
if (still) apply();
