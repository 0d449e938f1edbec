// Signs the text on this page with the wallet of the browser, where there is one (EIP-1193).
"use strict";

(() => {
  const wallet = window.ethereum;
  const text = document.getElementById("tm-challenge");
  const button = document.getElementById("tm-wallet");
  const field = document.querySelector("input[name=signature]");
  if (!wallet || !text || !button || !field) return;
  const words = document.getElementById("tm-wallet-words");
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const wanted = text.dataset.address.toLowerCase();
      const held = await wallet.request({ method: "eth_requestAccounts" });
      const account = held.find((one) => one.toLowerCase() === wanted);
      if (!account) throw new Error(`The wallet does not hold ${text.dataset.address}: choose that account in it.`);
      const bytes = new TextEncoder().encode(text.textContent);
      const hex = "0x" + Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
      field.value = await wallet.request({ method: "personal_sign", params: [hex, account] });
      field.form.requestSubmit();
    } catch (error) {
      words.textContent = error.message ?? String(error);
      button.disabled = false;
    }
  });
})();
