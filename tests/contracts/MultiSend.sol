// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title MultiSend
/// @notice The usual way to pay many in one transaction, without a tree: a peer for the gas table.
contract MultiSend {
    /// @notice A transfer was refused.
    /// @param account To whom it should have gone.
    error NotSent(address account);

    /// @notice Sends each account its amount out of what the caller approved; one failure reverts all.
    /// @param token The token.
    /// @param accounts To whom.
    /// @param amounts How much each.
    function send(IERC20 token, address[] calldata accounts, uint256[] calldata amounts) external {
        for (uint256 i; i < accounts.length; ++i) {
            if (!token.transferFrom(msg.sender, accounts[i], amounts[i])) revert NotSent(accounts[i]);
        }
    }
}
